"""The tests' own Debian packages: installed where that can be, named in one sentence elsewhere."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What is on the simulated machine beside the shell's own words.
APT = '#!/bin/sh\necho "$DEBIAN_FRONTEND $*" >>"$LOG"\n'
QUERY = """#!/bin/sh
for last; do :; done
case " $INSTALLED " in *" $last "*) printf installed ;; *) exit 1 ;; esac
"""


def machine(folder: Path, uid: int, installed: str, *programs: str) -> subprocess.CompletedProcess[str]:
    texts = {"id": f"#!/bin/sh\necho {uid}\n", "apt-get": APT, "dpkg-query": QUERY}
    for name in ("id", *programs):
        (folder / name).write_text(texts[name])
        (folder / name).chmod(0o755)
    return subprocess.run(
        ["/bin/sh", ROOT / "tools/lab/packages"],
        env={"PATH": str(folder), "INSTALLED": installed, "LOG": str(folder / "log")},
        check=False,
        capture_output=True,
        text=True,
    )


def wanted(folder: Path) -> list[str]:
    """Return what a machine without dpkg is asked to have."""
    folder.mkdir()
    return machine(folder, 0, "").stderr.partition("packages: ")[2].partition(";")[0].split()


def test_root_on_debian_installs_what_is_missing_and_nothing_else(tmp_path: Path) -> None:
    names = wanted(tmp_path / "other")
    assert {"make", "podman", "python3-venv", "qemu-system-x86"} <= set(names)
    done = machine(tmp_path, 0, " ".join(names[2:]), "apt-get", "dpkg-query")
    assert done.returncode == 0, done.stderr
    update, install = (tmp_path / "log").read_text().splitlines()
    assert update.startswith("noninteractive update")
    assert install.split()[-2:] == names[:2] and "install" in install.split()


def test_nothing_is_asked_of_a_machine_that_has_them(tmp_path: Path) -> None:
    names = wanted(tmp_path / "other")
    done = machine(tmp_path, 1000, " ".join(names), "apt-get", "dpkg-query")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("uid", "programs", "remedy"),
    [
        (1000, ("apt-get", "dpkg-query"), "as root: apt-get install --yes"),
        (1000, ("dpkg-query",), "run them on Debian"),
        (0, (), "run them on Debian"),
    ],
)
def test_elsewhere_they_are_named_in_one_sentence(
    tmp_path: Path, uid: int, programs: tuple[str, ...], remedy: str
) -> None:
    names = wanted(tmp_path / "other")
    done = machine(tmp_path, uid, " ".join(names[1:]), *programs)
    missing = names[:1] if "dpkg-query" in programs else names
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert f"packages: {' '.join(missing)};" in done.stderr and remedy in done.stderr
    assert not (tmp_path / "log").exists()


def test_a_new_machine_has_make_before_it_is_called() -> None:
    text = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert text.index("tools/lab/packages") < text.index("exec make test")
