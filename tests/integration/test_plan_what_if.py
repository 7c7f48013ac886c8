"""playbooks/plan.yml as a what-if: described hosts, saved fact files, overrides by -e, an earlier plan."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
TREES = ROOT / "tests" / "fixtures" / "trees"
SAVED = {
    "whisperx_host_source": "assume",
    "whisperx_host_assume": "{{ (lookup('ansible.builtin.file', inventory_dir ~ '/facts/'"
    " ~ inventory_hostname ~ '.json') | from_json).facts }}",
}
HELD = {"whisperx_plan_packages": {"whisperx": "==3.4.5"}, "whisperx_plan_remedies": ["upgrade"]}
NEWER = {"libc": {"family": "glibc", "version": "2.41"}}
DRIVER = {"version": "580.95.05", "cuda": "13.0", "state": "running"}


def plan(folder: Path, inventory: Path, **variables: Any) -> tuple[str, dict[str, Any]]:
    """Run the playbook with these extra variables; return what it printed and the hosts of its JSON."""
    output = folder / "plan.json"
    variables = {"whisperx_plan_output": str(output), **variables}
    command = [Path(sys.executable).parent / "ansible-playbook", "-i", inventory, "playbooks/plan.yml"]
    done = subprocess.run(
        [*command, "--extra-vars", json.dumps(variables)],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, json.loads(output.read_text())["hosts"]


def test_saved_fact_files_are_hosts(tmp_path: Path) -> None:
    (tmp_path / "facts").mkdir()
    for name in ("debian-12-glibc-2.36-x86_64-absent", "debian-13-glibc-2.41-x86_64-absent"):
        shutil.copy(TREES / f"{name}.json", tmp_path / "facts")
    names = [path.stem for path in (tmp_path / "facts").iterdir()]
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": dict.fromkeys(names), "vars": SAVED}}))
    _, hosts = plan(tmp_path, inventory)
    assert {name: (host["verdict"], host["libc"]["version"]) for name, host in hosts.items()} == {
        "debian-12-glibc-2.36-x86_64-absent": ("plan", "2.36"),
        "debian-13-glibc-2.41-x86_64-absent": ("plan", "2.41"),
    }


def test_the_fleet_after_glibc_241(tmp_path: Path) -> None:
    example = ROOT / "inventory" / "example" / "hosts.yml"
    _, before = plan(tmp_path, example, **HELD)
    assert before["worker-1.example.org"]["verdict"] == "plan"
    file = str(tmp_path / "plan.json")
    page = tmp_path / "plan.html"
    printed, after = plan(
        tmp_path,
        example,
        **HELD,
        whisperx_host_override=NEWER,
        whisperx_plan_compare=file,
        whisperx_plan_page=str(page),
    )
    assert after["worker-1.example.org"]["verdict"] == "refused"
    assert "would break" in printed and "worker-1.example.org" in printed.partition("would break")[2]
    assert "Would break" in page.read_text()


def test_the_fleet_after_driver_580(tmp_path: Path) -> None:
    example = ROOT / "inventory" / "example" / "hosts.yml"
    _, before = plan(tmp_path, example)
    printed, after = plan(
        tmp_path,
        example,
        whisperx_host_override={"nvidia_driver": DRIVER},
        whisperx_plan_compare=str(tmp_path / "plan.json"),
    )
    moved = {name for name in after if after[name]["class"] != before[name]["class"]}
    assert moved == {"attic.example.org", "l4-1.example.org", "l4-2.example.org"}
    assert f"another class ({len(moved)})" in printed


def test_an_override_lies_over_a_probed_host_too(tmp_path: Path) -> None:
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {"here": here}}}))
    machine = {"family": "musl", "version": "1.2"}
    override = {"libc": machine}
    _, hosts = plan(tmp_path, inventory, whisperx_host_override=override, whisperx_plan_runtime="venv")
    assert hosts["here"]["verdict"] == "refused"
    assert "libc.musl" in {reason["rule"] for reason in hosts["here"]["reasons"]}


def test_hosts_variables_are_theirs_and_the_plays_are_for_the_others(tmp_path: Path) -> None:
    described = {
        "whisperx_host_source": "assume",
        "whisperx_host_assume": {
            "libc": {"family": "glibc", "version": "2.41"},
            "machine": "x86_64",
            "os": {"id": "debian", "version": "13"},
            "pythons": [{"path": "/usr/bin/python3.13", "version": "3.13.5"}],
        },
    }
    inventory = tmp_path / "hosts.yml"
    own = {"whisperx_plan_packages": {"ctranslate2": "{{ version }}"}, "version": "==4.6.0"}
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {"one": own, "two": {}}, "vars": described}}))
    play = {
        "hosts": "all",
        "gather_facts": False,
        "vars": {
            "whisperx_plan_packages": {"faster-whisper": ""},
            "whisperx_plan_output": str(tmp_path / "plan"),
        },
        "roles": ["whisperx_host", "whisperx_plan"],
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "-i", inventory, tmp_path / "play.yml"],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    hosts = json.loads((tmp_path / "plan").read_text())["hosts"]
    assert hosts["one"]["pins"]["ctranslate2"] == "4.6.0" and "faster-whisper" not in hosts["one"]["pins"]
    assert "faster-whisper" in hosts["two"]["pins"] and "whisperx" not in hosts["two"]["pins"]
