"""A role alone in a play works, or names the role that comes before it; so does site.yml from its middle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
# What has to come before a role. All others work alone, or say what they did not find on the host.
NEEDS = {
    "whisperx_plan": "whisperx_host",
    "whisperx_venv": "whisperx_plan",
    "whisperx_image": "whisperx_plan",
    "whisperx_container": "whisperx_plan",
    "whisperx_wheelhouse": "whisperx_plan",
}
# Task files that users name, with what comes before them.
ENTRIES = {"lock": "whisperx_plan without tasks_from", "enforce": "wanted: both", "show": "whisperx_plan"}
HOST = {
    "ansible_connection": "local",
    "ansible_python_interpreter": sys.executable,
    "ansible_become": False,
    "whisperx_host_source": "assume",
    "whisperx_host_assume": {"libc": {"family": "musl", "version": "1.2"}, "machine": "x86_64"},
}


def run(folder: Path, playbook: str | Path, *words: str, **variables: Any) -> tuple[int, str]:
    """Run a playbook in check mode over one described host; return exit status and output on one line."""
    inventory = folder / "hosts.json"
    inventory.write_text(json.dumps({"all": {"hosts": {"one": HOST}}}))
    given = {
        "whisperx_venv_root": str(folder / "root"),
        "whisperx_plan_lock_dir": str(folder / "locks"),
        "whisperx_report_dir": str(folder / "reports"),
        "whisperx_wheelhouse_mode": "connection",
        **variables,
    }
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory), str(playbook)]
    done = subprocess.run(
        [*command, "--check", "-e", json.dumps(given), *words],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def alone(folder: Path, role: str, entry: str = "main") -> tuple[int, str]:
    imported = {"name": role, "tasks_from": entry}
    play = {"hosts": "all", "gather_facts": False, "tasks": [{"ansible.builtin.import_role": imported}]}
    path = folder / "play.yml"
    path.write_text(json.dumps([play]))
    return run(folder, path)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_alone(tmp_path: Path, role: str) -> None:
    code, told = alone(tmp_path, role)
    assert "is undefined" not in told and "has no attribute" not in told and "Traceback" not in told
    if role in NEEDS:
        assert code == 2 and "wanted: role " in told and f"role {NEEDS[role]}" in told, told


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_task_file_of_the_planner_alone(tmp_path: Path, entry: str) -> None:
    code, told = alone(tmp_path, "whisperx_plan", entry)
    assert code == 2 and ENTRIES[entry] in told and "is undefined" not in told, told


@pytest.mark.parametrize(
    "task", ["Resolve plans", "Resolve locks", "Resolve the order of the hosts that change"]
)
def test_site_from_its_middle(tmp_path: Path, task: str) -> None:
    code, told = run(tmp_path, "site.yml", "--start-at-task", f"* : {task}")
    assert code != 0 and "--tags" in told and "instead of --start-at-task" in told, told
    assert "is undefined" not in told


@pytest.mark.parametrize(
    ("words", "code", "ran", "not_run"),
    [
        (["--tags", "facts"], 0, ["Gather host facts"], ["Resolve plans] *** ok", "1 refused"]),
        (["--tags", "plan"], 0, ["Report the plans", "refused: one"], ["1 refused"]),
        (["--tags", "report"], 0, ["1 refused"], []),
        (["--tags", "lock"], 2, ["1 refused"], []),
        (["--skip-tags", "report"], 2, ["one"], ["1 refused"]),
        (["--skip-tags", "install"], 2, ["1 refused"], []),
        (["--skip-tags", "verify"], 2, ["1 refused"], []),
        (["--skip-tags", "facts"], 2, ["the tag facts is skipped"], ["is undefined"]),
        (["--tags", "nginx"], 0, ["Validate variables"], ["Gather host facts", "1 refused"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) and "--" in str(value[:1]) else "",
)
def test_tags_of_site(
    tmp_path: Path, words: list[str], code: int, ran: list[str], not_run: list[str]
) -> None:
    got, told = run(tmp_path, "site.yml", *words)
    assert got == code, told
    assert [text for text in ran if text not in told] == [], told
    assert [text for text in [*not_run, "is undefined"] if text in told] == [], told
