"""tools/ansible_lint.py: a syntax check by a server says what ansible-playbook of its own says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.ansible_lint import Servers

ROOT = Path(__file__).resolve().parents[3]
GOOD = "---\n- name: Play\n  hosts: localhost\n  tasks:\n    - name: Report\n      ansible.builtin.debug:\n"
BAD = GOOD.replace("debug:", "debug:\n      hosts: all")
UNKNOWN = GOOD.replace("debug", "no_such_module")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Return servers that end with the module."""
    started = Servers(tmp_path_factory.mktemp("s"))
    yield started
    started.end()


@pytest.mark.parametrize(
    "text", [GOOD, BAD, UNKNOWN, "- [", ""], ids=["good", "bad", "unknown", "no yaml", "empty"]
)
def test_a_check_is_that_of_the_command(servers: Servers, tmp_path: Path, text: str) -> None:
    (tmp_path / "play.yml").write_text(text)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["ansible-playbook", "--syntax-check", "-vv", "play.yml"]
    environment = {**os.environ, "PATH": path, "ANSIBLE_NOCOLOR": "1", "NO_COLOR": "1"}
    options = {"env": environment, "cwd": str(tmp_path), "capture_output": True, "text": True}

    own = subprocess.run(command, check=False, **options)  # type: ignore[call-overload]
    served = servers.run(command, check=False, **options)

    assert served.returncode == own.returncode
    assert served.stderr == own.stderr
    places = r".*(executable location|python module location|python version) = .*\n"
    assert re.sub(places, "", served.stdout) == re.sub(places, "", own.stdout)


def test_a_server_has_the_settings_of_its_environment(servers: Servers, tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(GOOD)
    command = ["ansible-playbook", "--syntax-check", "-vv", "play.yml"]
    for name in ("one.cfg", "two.cfg"):
        (tmp_path / name).write_text("[defaults]\n")
        environment = {**os.environ, "ANSIBLE_CONFIG": str(tmp_path / name)}
        assert str(tmp_path / name) in servers.run(command, cwd=str(tmp_path), env=environment).stdout


def test_another_command_is_run_as_ever(servers: Servers) -> None:
    assert servers.run(["echo", "said"], capture_output=True, text=True).stdout == "said\n"
