"""A machine that cannot carry the controller is told in one sentence what mends it, and nothing is made."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def preflight(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "tools" / "preflight", *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        check=False,
        capture_output=True,
        text=True,
    )


def test_names_an_interpreter_that_fits() -> None:
    result = preflight()
    assert result.returncode == 0
    subprocess.run(
        [result.stdout.strip(), "-c", "import sys, venv; assert sys.version_info >= (3, 11)"], check=True
    )


@pytest.mark.parametrize(
    ("release", "remedy"),
    [
        ('ID=debian\nVERSION_ID="11"', "run make from a newer machine"),
        ('ID=debian\nVERSION_ID="12"', "apt-get install python3 python3-venv"),
        ('ID=ubuntu\nID_LIKE=debian\nVERSION_ID="22.04"', "apt-get install python3.11 python3.11-venv"),
        ('ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"', "apt-get install python3 python3-venv"),
        ('ID=rocky\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.6"', "dnf install python3.12"),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\nVERSION_ID="15.6"', "zypper install python311"),
        ("ID=void", "install Python 3.11 or newer"),
    ],
    ids=lambda value: value.splitlines()[0] if "ID=" in value else "",
)
def test_without_a_python_the_remedy_is_the_distributions_own(
    tmp_path: Path, release: str, remedy: str
) -> None:
    (tmp_path / "os-release").write_text(release + "\n", encoding="utf-8")
    result = preflight(PYTHON=str(tmp_path / "none"), OS_RELEASE=str(tmp_path / "os-release"))
    assert result.returncode == 2
    assert result.stdout == ""
    assert remedy in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_an_interpreter_without_venv_names_its_package(tmp_path: Path) -> None:
    """A real interpreter, started so that it finds no ensurepip: Debian's python3 without python3-venv."""
    python = tmp_path / "python3"
    hide = "import sys; sys.modules['ensurepip'] = None"
    (tmp_path / "sitecustomize.py").write_text(hide, encoding="utf-8")
    base = preflight().stdout.strip()
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path} exec {base} "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    (tmp_path / "os-release").write_text("ID=debian\nVERSION_ID=13\n", encoding="utf-8")
    result = preflight(PYTHON=str(python), OS_RELEASE=str(tmp_path / "os-release"))
    assert (result.returncode, result.stdout) == (2, "")
    assert "lacks the venv module: apt-get install python3." in result.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="takes root to become somebody else")
def test_this_machine_takes_root() -> None:
    result = subprocess.run(
        ["setpriv", "--reuid", "65534", "--clear-groups", "sh", ROOT / "tools" / "preflight", "--root"],
        env={"PATH": "/usr/bin:/bin"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    assert "sudo make site" in result.stderr or "lacks" in result.stderr or "no Python" in result.stderr
