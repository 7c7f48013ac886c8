"""playbooks/doctor.yml on hosts that are directories of this machine: page, JSON, exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.whisperx_doctor.small_venv import make_release

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """One host that is well, one that is not, one with nothing."""
    make_release(tmp_path / "well", {"numpy": ""})
    make_release(
        tmp_path / "sick", {"numpy": "raise ImportError('libsndfile.so.1: cannot open shared object file')"}
    )
    hosts = {
        name: {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "whisperx_venv_root": str(tmp_path / name),
        }
        for name in ("well", "sick", "bare")
    }
    path = tmp_path / "hosts.yml"
    path.write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": {"whisperx_doctor_level": "import"}}}))
    return path


def play(inventory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "playbooks/doctor.yml"]
    command += ["-i", str(inventory), "-e", "ansible_become=false", *words]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_it_tells_and_writes_and_changes_nothing(inventory: Path, tmp_path: Path) -> None:
    output = tmp_path / "doctor.json"
    done = play(inventory, "-e", f"whisperx_doctor_output={output}", "--check")
    assert done.returncode == 0, done.stdout
    for words in ("FIT: it works", "UNFIT: it does not work", "[failure.", "there is no such path"):
        assert words in done.stdout
    assert "changed=1" not in done.stdout
    told: dict[str, Any] = json.loads(output.read_text())
    assert told["schema"] == 1
    assert {name: host["verdict"] for name, host in told["hosts"].items()} == {
        "well": "fit",
        "sick": "unfit",
        "bare": "unknown",
    }
    (failure,) = told["hosts"]["sick"]["environments"][0]["failures"]
    assert (
        failure["toolkit"]["commands"][0]["command"] == f'make site INVENTORY={inventory} ARGS="--limit sick"'
    )


def test_it_fails_only_when_asked_to(inventory: Path) -> None:
    done = play(inventory, "-e", "whisperx_doctor_fail=true")
    assert done.returncode == 2
    recap = {line.split()[0]: line for line in done.stdout.splitlines() if "failed=" in line}
    assert "failed=0" in recap["well"] and "failed=1" in recap["sick"] and "failed=1" in recap["bare"]


def test_a_misspelt_value_is_refused_before_anything_runs(inventory: Path) -> None:
    done = play(inventory, "-e", "whisperx_doctor_level=deep")
    assert done.returncode == 2 and "Examine" not in done.stdout
