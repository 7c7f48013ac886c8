"""Hosts without a Python for modules: what is said, and the shell command that installs one."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from module_utils.whisperx_fleet.interpreter import INSTALL, missing, run_module

# As ansible-core 2.19 returned them from containers: without Python, with python3-minimal.
ABSENT = {
    "failed": True,
    "rc": 127,
    "module_stdout": "",
    "module_stderr": "/bin/sh: 1: /usr/bin/python3: not found",
    "msg": "The module interpreter '/usr/bin/python3' was not found.",
}
MINIMAL = {
    "failed": True,
    "rc": 1,
    "module_stdout": "",
    "module_stderr": "Traceback\n    import shutil\nModuleNotFoundError: No module named 'shutil'\n",
    "msg": "Module result deserialization failed: No start of json char found",
}
OLD = {"failed": True, "msg": "ansible-core requires a minimum of Python version 3.9. Current version: 3.6.8"}


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (ABSENT, "No Python was found (/bin/sh: 1: /usr/bin/python3: not found)"),
        (MINIMAL, "The Python is incomplete, as that of python3-minimal is (no module shutil)"),
        (OLD, "The Python is too old (requires a minimum of Python version 3.9. Current version: 3.6.8)"),
    ],
)
def test_what_is_missing_is_named(result: dict[str, Any], said: str) -> None:
    assert missing(result) == said


@pytest.mark.parametrize(
    "result",
    [
        {"changed": False},
        {**ABSENT, "failed": False},
        {"failed": True, "unreachable": True, "msg": "rc=127"},
        {"failed": True, "msg": "no release is active", "rule": "verify.none"},
        {"failed": True, "rc": 1, "msg": "MODULE FAILURE", "module_stderr": "No module named 'whisperx'"},
        {"failed": True, "rc": 127, "msg": "the command docker was not found"},
        {"failed": True, "module_stderr": "sudo: a password is required\n", "msg": "No start of json"},
    ],
)
def test_other_failures_are_left_as_they_are(result: dict[str, Any]) -> None:
    assert missing(result) == ""


class Host:
    """An action on a host: the modules' results in turn, and what the shell ran."""

    def __init__(self, *results: dict[str, Any], check: bool = False, rc: int = 0) -> None:
        self.results, self.ran, self.rc = list(results), [], rc
        self._task = SimpleNamespace(args={"a": 1}, action="whisperx_verify", check_mode=check)
        self._templar = SimpleNamespace(template=lambda value: value)

    def _execute_module(self, **given: Any) -> dict[str, Any]:
        return self.results.pop(0)

    def _low_level_execute_command(self, command: str) -> dict[str, Any]:
        self.ran.append(command)
        return {"rc": self.rc, "stdout": "", "stderr": "E: no network\n"}


def test_without_the_variable_nothing_is_done_and_the_next_step_is_named() -> None:
    host = Host(ABSENT)
    result = run_module(host, {})
    assert result["failed"] and result["rule"] == "host.no-python" and host.ran == []
    assert "apk add python3" in result["msg"] and "whisperx_host_bootstrap: true" in result["msg"]
    assert "module_stderr" not in result


@pytest.mark.parametrize("value", [True, "true", "yes"])
def test_with_it_python_is_installed_and_the_module_runs_again(value: Any) -> None:
    host = Host(MINIMAL, {"changed": False, "x": 1})
    assert run_module(host, {"whisperx_host_bootstrap": value}) == {"changed": True, "x": 1}
    assert host.ran == [INSTALL]
    again = Host({"changed": False})
    assert run_module(again, {"whisperx_host_bootstrap": value}) == {"changed": False} and again.ran == []


def test_a_dry_run_says_so_and_does_nothing() -> None:
    host = Host(ABSENT, check=True)
    result = run_module(host, {"whisperx_host_bootstrap": True})
    assert result["failed"] and "Would install it" in result["msg"] and host.ran == []


def test_what_could_not_be_installed_is_said() -> None:
    result = run_module(Host(ABSENT, rc=100), {"whisperx_host_bootstrap": True})
    assert "could not install it: E: no network" in result["msg"]
    assert run_module(Host(ABSENT, ABSENT), {"whisperx_host_bootstrap": True})["rule"] == "host.no-python"


@pytest.mark.parametrize(
    ("tool", "asked"),
    [
        ("apt-get", "-q -y --no-install-recommends install python3"),
        ("dnf", "-q -y install python3"),
        ("microdnf", "-y install python3"),
        ("zypper", "--non-interactive install python3"),
        ("apk", "add --no-cache python3"),
        ("pacman", "-Sy --noconfirm --needed python"),
    ],
)
def test_each_distribution_is_asked_in_its_own_way(tmp_path: Path, tool: str, asked: str) -> None:
    """The real shell and script; the package manager notes what it was asked for, and puts a Python there."""
    manager = tmp_path / tool
    lines = ["#!/bin/sh", f'echo "$*" >> {tmp_path}/asked', 'case "$*" in *install*|*add*|*-Sy*)']
    lines += [f"printf '#!/bin/sh\\n' > {tmp_path}/python3; /bin/chmod 755 {tmp_path}/python3;; esac"]
    manager.write_text("\n".join(lines) + "\n")
    manager.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-c", f"{INSTALL} && /bin/sleep 0"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "asked").read_text().splitlines()[-1] == asked


def test_a_host_without_any_of_them_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", INSTALL], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3 and "none of apt-get" in done.stderr
