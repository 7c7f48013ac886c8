"""Facts that were read once plan the same again, without contacting anybody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = str(Path(sys.executable).parent / "ansible-playbook")


def plan(inventory: Path, output: Path, *words: str) -> dict[str, object]:
    """Plan the hosts of an inventory; return the whole decision."""
    command = [PLAYBOOK, "playbooks/plan.yml", "-i", str(inventory), "-e", f"whisperx_plan_output={output}"]
    settings = os.environ | {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    }
    done = subprocess.run(
        [*command, *words], cwd=ROOT, env=settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, object] = json.loads(output.read_text())
    return found


def test_a_fleet_is_planned_again_from_its_facts(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts.yml"
    hosts.write_text("all: {hosts: {one: {}, two: {}}, vars: {ansible_connection: local}}\n")
    described = tmp_path / "fleet.json"
    read = plan(hosts, tmp_path / "read.json", "-e", f"whisperx_host_output={described}")
    assert set(json.loads(described.read_text())["all"]["hosts"]) == {"one", "two"}
    # Nobody is asked: without hosts' variables there is only their names, which are nobody's.
    again = plan(described, tmp_path / "again.json")
    assert again == read
