"""The role through Ansible: two hosts that are directories of this machine, local ones and as if remote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from env_lab import UV, Lab

from module_utils.whisperx_common.files import sha256
from module_utils.whisperx_release.model import Layout

ROOT = Path(__file__).resolve().parents[2]

PLAYBOOK = """\
- hosts: all
  gather_facts: false
  vars_files: [vars.json]
  tasks:
    - ansible.builtin.fail: {msg: has no plan}
      when: inventory_hostname == refused | default('')
    - ansible.builtin.import_role: {name: whisperx_venv, tasks_from: "{{ entry }}"}

- hosts: all
  gather_facts: false
  vars: {whisperx_report_dir: ""}
  tasks:
    - ansible.builtin.import_role: {name: whisperx_report, rolespec_validate: false}
"""

# Runs commands here, but is no "local" connection: files have to be transferred, as to a remote host.
CONNECTION = '''\
"""A connection to a host that happens to be this one."""

from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = """
name: elsewhere
short_description: like a remote host
description: [like a remote host]
extends_documentation_fragment: [connection_pipelining]
"""


class Connection(Local):
    transport = "elsewhere"
'''


class Fleet:
    """Two hosts and a controller."""

    def __init__(self, base: Path, connection: str) -> None:
        self.base = base
        self.lab = Lab(base)
        (base / "connection_plugins").mkdir()
        (base / "connection_plugins" / "elsewhere.py").write_text(CONNECTION)
        (base / "play.yml").write_text(PLAYBOOK)
        hosts = {name: self.places(name) | {"ansible_connection": connection} for name in ("one", "two")}
        (base / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))

    def places(self, host: str) -> dict[str, str]:
        """Return the variables that say where a host's things lie."""
        names = {"root": "root", "bin_dir": "bin", "facts_dir": "facts.d"}
        return {f"whisperx_venv_{key}": str(self.base / host / name) for key, name in names.items()}

    def layout(self, host: str) -> Layout:
        """Return where a host's things lie."""
        return Layout(*self.places(host).values())

    def want(self, version: str, travels: bool = False) -> None:
        """Plan and lock a version for both hosts, its wheel from a directory there or from the controller."""
        wheel = self.lab.wheel("tiny", version)
        text = self.lab.lock(wheel, origin="local" if travels else "index")
        files = [{"sha256": sha256(str(wheel)), "file": wheel.name, "path": str(wheel)}] if travels else []
        plan = dict(self.lab.wanted(text).plan)
        lock = {"text": text, "uv": {"path": UV, "sha256": sha256(UV)}, "files": files}
        values: dict[str, Any] = {
            "__whisperx_plan": {"hosts": {"one": plan, "two": plan}},
            "__whisperx_lock": {"locks": {"lab": lock}},
            "whisperx_venv_find_links": [] if travels else [str(self.lab.wheels)],
            "whisperx_venv_offline": True,
            "whisperx_venv_verify_level": "import",
        }
        (self.base / "vars.json").write_text(json.dumps(values))

    def play(self, *arguments: str, entry: str = "main", pipelining: bool = True) -> str:
        """Run the play; return what it printed."""
        settings = {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_CONNECTION_PLUGINS": str(self.base / "connection_plugins"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_PIPELINING": str(pipelining),
            "ANSIBLE_REMOTE_TMP": str(self.base / "remote_tmp"),
            "ANSIBLE_NOCOLOR": "1",
        }
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "hosts.json", "play.yml"]
        done = subprocess.run(
            [*command, "-e", f"entry={entry}", *arguments],
            cwd=self.base,
            env=os.environ | settings,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def says(self, host: str) -> str:
        """Return what the host's command prints."""
        command = self.layout(host).command("tiny")
        return subprocess.run([command], capture_output=True, text=True, check=True).stdout.strip()


def changed(output: str) -> set[str]:
    """Return the hosts of the recap that changed."""
    recap = output.partition("PLAY RECAP")[2].splitlines()
    return {line.split()[0] for line in recap if "changed=" in line and "changed=0" not in line}


def test_the_life_of_two_hosts(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, "local")
    fleet.want("1.0")
    assert changed(fleet.play("--check")) == {"one", "two"}
    assert not (tmp_path / "one").exists()
    first = fleet.play("--diff")
    assert changed(first) == {"one", "two"} and "+tiny==1.0" in first
    assert "one: tiny 1.0 on cpu" in first and "two: took" in first
    assert fleet.says("one") == fleet.says("two") == "tiny 1.0"
    assert changed(fleet.play()) == set()
    fleet.want("2.0", travels=True)
    assert changed(fleet.play()) == {"one", "two"}
    assert fleet.says("two") == "tiny 2.0"
    assert changed(fleet.play(entry="rollback")) == {"one", "two"}
    assert fleet.says("one") == "tiny 1.0"
    assert changed(fleet.play(entry="rollback")) == set()
    assert changed(fleet.play("-e", "whisperx_venv_state=absent")) == {"one", "two"}
    assert not Path(fleet.layout("one").root).exists()


def test_what_travels_to_hosts_elsewhere_and_leaves_nothing_there(tmp_path: Path) -> None:
    """Without pipelining the modules travel too, as the program and a wheel of the controller always do."""
    fleet = Fleet(tmp_path, "elsewhere")
    fleet.want("1.0", travels=True)
    assert changed(fleet.play("--check", pipelining=False)) == {"one", "two"}
    assert not (tmp_path / "one").exists()
    assert changed(fleet.play(pipelining=False)) == {"one", "two"}
    assert fleet.says("one") == fleet.says("two") == "tiny 1.0"
    fleet.want("2.0", travels=True)
    assert changed(fleet.play(pipelining=False)) == {"one", "two"}
    assert fleet.says("two") == "tiny 2.0"
    assert changed(fleet.play(entry="rollback", pipelining=False)) == {"one", "two"}
    assert not list(tmp_path.glob("remote_tmp/*"))


def test_a_failing_host_does_not_hide_the_other(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, "local")
    fleet.want("1.0")
    (tmp_path / "two" / "root" / "src").mkdir(parents=True)
    with pytest.raises(AssertionError) as raised:
        fleet.play()
    output = str(raised.value)
    assert "rule: env.foreign-directory" in output
    assert "one: tiny 1.0 on cpu" in output and "two: failed: found a directory with other contents" in output
    assert fleet.says("one") == "tiny 1.0"


def test_the_summary_names_a_host_that_was_refused(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, "local")
    fleet.want("1.0")
    with pytest.raises(AssertionError) as raised:
        fleet.play("--check", "-e", "refused=two")
    assert "one: would build" in str(raised.value)
    assert "two: failed: stopped, nothing was touched" in str(raised.value)


def test_a_misspelt_variable_stops_the_run(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, "local")
    fleet.want("1.0")
    fleet.play(entry="preflight")
    with pytest.raises(AssertionError, match="whisperx_venv_rooot"):
        fleet.play("-e", "whisperx_venv_rooot=/srv", entry="preflight")
