"""Every run leaves its record, its page and its list of hosts to take up again, and tells AWX in numbers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = str(Path(sys.executable).parent / "ansible-playbook")
# One that can be had, one that nothing fits, one that does not answer: nobody listens on that port.
HOSTS = """\
all:
  hosts:
    here:
      ansible_connection: local
    elsewhere:
      ansible_connection: local
      whisperx_host_assume: {libc: {family: musl, version: "1.2.5"}, container_engines: []}
    gone:
      ansible_host: 127.0.0.1
      ansible_port: 9
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
    ansible_become: false
    whisperx_plan_packages: {ctranslate2: ""}
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "hosts.yml").write_text(HOSTS)
    return tmp_path


def play(base: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook as a user would, its files below ``base``."""
    places = {
        "whisperx_venv_root": base / "root",
        "whisperx_venv_bin_dir": base / "bin",
        "whisperx_venv_facts_dir": base / "facts.d",
        "whisperx_plan_lock_dir": base / "locks",
        "whisperx_report_dir": base / "reports",
    }
    words = [word for name, path in places.items() for word in ("-e", f"{name}={path}")]
    own = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    return subprocess.run(
        [PLAYBOOK, "-i", str(base / "hosts.yml"), *words, *arguments],
        cwd=ROOT,
        env={**os.environ, **own, **settings},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_dry_run_over_three_hosts(base: Path) -> None:
    shown = {"ANSIBLE_SHOW_CUSTOM_STATS": "1", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    done = play(base, "site.yml", "--check", **shown)
    told = done.stdout
    record = json.loads((base / "reports/site-check.json").read_text())
    states = {name: row["state"] for name, row in record["hosts"].items()}
    assert states == {"here": "planned", "elsewhere": "refused", "gone": "unreachable"}, told + done.stderr
    # On a busy machine ssh ends before it was sent the module.
    assert re.search("Connection refused|Broken pipe", record["hosts"]["gone"]["message"])
    assert (base / "reports/site-check.retry").read_text() == "elsewhere\ngone\n"
    assert "<h1>CTranslate2 on 3 hosts</h1>" in (base / "reports/site-check.html").read_text()
    # The terminal has each host, the counts, and how to go on.
    assert "gone: unreachable: " in told and "elsewhere: refused: " in told and "here: would build " in told
    assert all(f"elsewhere: remedy: {step}" in told for step in record["hosts"]["elsewhere"]["remedies"])
    assert record["hosts"]["elsewhere"]["remedies"]
    assert "3 hosts: 1 unreachable, 1 refused, 1 planned; 1 would change" in told
    assert f"again: --limit @{base}/reports/site-check.retry" in told
    # AWX keeps these as artifacts of the job.
    stats, _ = json.JSONDecoder().raw_decode(told.partition("CUSTOM STATS:")[2].partition("RUN:")[2].strip())
    custom = stats["whisperx"]
    assert custom["states"] == {"unreachable": 1, "refused": 1, "planned": 1}
    assert (custom["playbook"], custom["check"], custom["changed"]) == ("site", True, 1)
    assert custom["unwell"] == ["elsewhere", "gone"]
    (identity,) = (name for name in custom["classes"] if name)
    assert custom["classes"] == {"": {"unreachable": 1, "refused": 1}, identity: {"planned": 1}}


@pytest.mark.parametrize("playbook", ["site", "audit"])
def test_why_a_module_could_not_begin_is_told(base: Path, playbook: str) -> None:
    python = "ansible_connection: local\n      ansible_python_interpreter: /nowhere/python"
    (base / "hosts.yml").write_text(HOSTS.replace("ansible_connection: local", python, 1))
    done = play(base, f"playbooks/{playbook}.yml", "--limit", "here")
    assert done.returncode == 2, done.stdout + done.stderr
    told = done.stdout.partition("Report results")[2]
    assert re.search(r"here: failed: .*[(].*/nowhere/python: not found[)]", told), done.stdout


def test_an_audit_leaves_its_own_and_takes_up_nothing_where_all_is_well(base: Path) -> None:
    (base / "reports").mkdir()
    (base / "reports/audit.retry").write_text("of an earlier run\n")
    done = play(base, "playbooks/audit.yml", "--limit", "here")
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((base / "reports/audit.json").read_text())
    assert record["run"]["playbook"] == "audit"
    here = record["hosts"]["here"]
    assert (here["state"], here["message"]) == ("absent", "nothing is installed")
    assert sorted(path.name for path in (base / "reports").iterdir()) == ["audit.html", "audit.json"]
    assert re.search(r"report: .*/reports/audit.html", done.stdout) and "again:" not in done.stdout


def test_a_report_that_cannot_be_written_is_told_and_fails_nothing(base: Path) -> None:
    (base / "reports").write_text("a file where the directory should be\n")
    done = play(base, "playbooks/audit.yml", "--limit", "here")
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout.partition("Report results")[2]
    assert "here: absent: nothing is installed" in told and "report:" not in told
    assert f"{base}/reports/audit.json" in told and "whisperx_report_dir" in told
    assert "[WARNING]" in done.stdout + done.stderr
