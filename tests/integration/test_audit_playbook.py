"""playbooks/audit.yml on an environment with the CTranslate2 that glibc 2.41 refuses, built by the real uv.

The host is this machine. The wheel is downloaded (about 40 MB); its library is only read.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.env_lab import PYTHON, Lab
from tests.integration.repair_lab import VERSION, Hosts, download

ROOT = Path(__file__).resolve().parents[2]
LIBC = {"libc": {"family": "glibc", "version": "2.41"}}
REPAIR = {"whisperx_plan_packages": {"ctranslate2": f"=={VERSION}"}, "whisperx_plan_remedies": ["repair"]}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A root with one release: a tiny package, by which it is proved, and CTranslate2."""
    found = platform.libc_ver()[1]
    if not found or tuple(map(int, found.split("."))) >= (2, 41):
        pytest.skip("this machine has no glibc that takes executable stacks")
    made = Lab(tmp_path_factory.mktemp("audit"))
    wheel = download(made.wheels, PYTHON)
    lock = made.lock(made.wheel("tiny", "1.0"), wheel)
    sonames = {"opens": [], "optional": []}
    made.present(made.wanted(lock, execstack_refused_from="2.41", sonames=sonames))
    return made


def play(lab: Lab, tmp_path: Path, *options: str, **variables: Any) -> tuple[int, str, dict[str, Any]]:
    """Run the playbook; return its exit status, what it printed and the result of the host."""
    inventory = tmp_path / "hosts.yml"
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    # One that nobody can reach comes along, and is left alone because it is only described.
    described = {"whisperx_host_source": "assume", "whisperx_host_assume": {"machine": "x86_64"}}
    hosts = {"described": described, "here": {**here, "ansible_become": False}}
    inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    output = tmp_path / "audit.json"
    given = {"whisperx_venv_root": str(lab.root), "whisperx_audit_output": str(output), **variables}
    command = [
        Path(sys.executable).parent / "ansible-playbook",
        "-i",
        inventory,
        "playbooks/audit.yml",
    ]
    done = subprocess.run(
        [*command, "--extra-vars", json.dumps(given), *options],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert output.exists(), done.stdout + done.stderr
    found = json.loads(output.read_text())["hosts"]
    assert list(found) == ["here"]
    return done.returncode, done.stdout, found["here"]


def snapshot(lab: Lab) -> list[tuple[str, int, int]]:
    states = [(str(path), path.lstat()) for path in sorted(lab.base.rglob("*"))]
    return [(name, state.st_size, state.st_mtime_ns) for name, state in states]


@pytest.mark.parametrize("options", [(), ("--check", "--diff")])
def test_an_environment_that_is_as_it_was(lab: Lab, tmp_path: Path, options: tuple[str, ...]) -> None:
    before = snapshot(lab)
    code, printed, found = play(lab, tmp_path, *options)
    assert (code, found["state"], found["changes"]) == (0, "healthy", []), printed
    assert "here: " in printed and "healthy" in printed and "changed=0" in printed
    assert snapshot(lab) == before


def test_glibc_241_is_announced_before_it_comes(lab: Lab, tmp_path: Path) -> None:
    code, printed, found = play(lab, tmp_path, whisperx_host_override=LIBC, **REPAIR)
    assert (code, found["state"], found["would_break"]) == (0, "healthy", True)
    [broken] = found["breaks"]
    assert broken["rule"] == "abi.execstack" and "ctranslate2.libs/libctranslate2" in broken["names"][0]
    assert found["plan"]["repairs"] == ["ctranslate2"]
    assert "with glibc 2.41: WOULD BREAK" in printed and "site.yml fixes it: repair ctranslate2" in printed


def test_a_run_may_fail_for_it(lab: Lab, tmp_path: Path) -> None:
    options = ("--extra-vars", "whisperx_audit_fail=true")
    code, printed, found = play(lab, tmp_path, *options, whisperx_host_override=LIBC)
    assert (code, found["would_break"]) == (2, True)
    assert "failed=1" in printed


def test_the_day_after_the_upgrade(lab: Lab) -> None:
    """The same root seen from a Debian 13 that has lost the old interpreter, as after a dist-upgrade."""
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1])\n"
        "from module_utils.whisperx_audit.model import Asked\n"
        "from module_utils.whisperx_audit.report import report\n"
        "print(json.dumps(report(Asked(sys.argv[2], False, '', '', {}))))"
    )
    command = ("python3", "-c", code, str(ROOT), str(lab.root))
    done = Hosts(lab.base).run("trixie", *command, PYTHONHOME="")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    rules = {item["rule"]: item for item in found["changes"]}
    assert set(rules) == {"audit.libc", "audit.interpreter"} and found["state"] == "broken"
    assert rules["audit.libc"]["sentence"].startswith("glibc 2.41, was 2.")
    assert [item["rule"] for item in found["findings"]] == ["abi.execstack"]
    assert any("BROKEN" in line for line in found["lines"])


def test_what_was_done_by_hand_is_told(lab: Lab, tmp_path: Path, uv: str) -> None:
    release = Path(os.path.realpath(lab.root / "current"))
    site = release / f"lib/python{PYTHON}/site-packages"
    lab.wheel("byhand", "0.1")
    command = [uv, "pip", "install", "-q", "--no-index", "--find-links", lab.wheels, "--python"]
    subprocess.run([*command, release / "bin/python", "byhand"], check=True)
    (site / "ctranslate2/__init__.py").write_text("")
    next((site / "ctranslate2").glob("_ext*.so")).unlink()
    _code, printed, found = play(lab, tmp_path)
    rules = {item["rule"]: item for item in found["changes"]}
    assert set(rules) == {"audit.package-added", "audit.file-edited", "audit.file-gone"}
    assert "byhand 0.1 by uv" in printed and "ctranslate2/__init__.py" in printed
    assert found["state"] == "broken" and rules["audit.file-gone"]["weight"] == "breaks"
