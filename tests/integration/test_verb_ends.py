"""However a verb ends, hosts that did not respond are in its output, and the reason is printed last."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOSTS = {
    "here": {
        "ansible_connection": "local",
        "ansible_become": False,
        "ansible_python_interpreter": "/usr/bin/python3",
    },
    "far": {"ansible_host": "127.0.0.1", "ansible_port": 9, "ansible_become": False},
}
UNREACHABLE = 4


def ended(folder: Path, verb: str, *hosts: str) -> subprocess.CompletedProcess[str]:
    chosen = {name: HOSTS[name] for name in hosts}
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": chosen}}))
    given = {
        "whisperx_report_dir": str(folder / "reports"),
        "whisperx_audit_output": str(folder / "audit-output.json"),
        "whisperx_venv_root": str(folder / "none"),
    }
    command = [str(Path(sys.executable).parent / "ansible-playbook"), f"playbooks/{verb}.yml"]
    command += ["-i", str(folder / "hosts.json"), "-e", json.dumps(given)]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == UNREACHABLE, done.stdout + done.stderr
    # What a failed run says last is the reason, not an error of Ansible's.
    assert "far: unreachable: " in done.stdout.rpartition("PLAY RECAP")[2]
    return done


@pytest.mark.parametrize("verb", ["audit", "rollback"])
def test_a_report_has_the_hosts_that_did_not_respond(tmp_path: Path, verb: str) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "audit-output.json").write_text("of yesterday")
    (tmp_path / f"reports/{verb}.html").write_text("of yesterday")
    ended(tmp_path, verb, "far")
    record = json.loads((tmp_path / f"reports/{verb}.json").read_text())
    assert record["hosts"]["far"]["state"] == "unreachable"
    assert "yesterday" not in (tmp_path / f"reports/{verb}.html").read_text()
    assert (tmp_path / f"reports/{verb}.retry").read_text() == "far\n"
    if verb == "audit":
        assert json.loads((tmp_path / "audit-output.json").read_text())["hosts"] == {}


def test_the_table_of_plans_has_the_hosts_that_did_not_respond(tmp_path: Path) -> None:
    done = ended(tmp_path, "plan", "here", "far")
    table = re.search(r"host +verdict .*\n +here +(\w+) .*\n +far +(\w+) ", done.stdout)
    assert table and table.groups() == ("plan", "unreachable"), done.stdout
