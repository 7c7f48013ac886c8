"""However a run of site.yml ends, it leaves summary, report and resume list, and a telling exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from local_lab import inventory

ROOT = Path(__file__).resolve().parents[2]
# Described hosts, of which nothing is asked, and hosts behind a port on which nobody listens.
REFUSED = {
    "ansible_connection": "local",
    "whisperx_host_source": "assume",
    "whisperx_host_assume": {"libc": {"family": "musl", "version": "1.2"}, "machine": "x86_64"},
}
SILENT = {"ansible_host": "127.0.0.1", "ansible_port": 9}
FAILED, UNREACHABLE = 2, 4


class Ended:
    """A run of site.yml over these hosts."""

    def __init__(self, folder: Path, hosts: dict[str, Any], **variables: Any) -> None:
        (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
        paths = {"output": "report.json", "page": "report.html", "resume": "resume"}
        given = {f"whisperx_report_{key}": str(folder / name) for key, name in paths.items()}
        given |= {"whisperx_plan_lock_dir": str(folder / "locks"), **variables}
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "site.yml"]
        command += ["-i", str(folder / "hosts.json"), "-e", json.dumps(given)]
        environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        self.code, self.told = done.returncode, done.stdout
        assert (folder / "report.json").exists(), done.stdout + done.stderr
        self.report = json.loads((folder / "report.json").read_text())
        self.resume = (folder / "resume").read_text().split()
        assert "<html" in (folder / "report.html").read_text()

    @property
    def states(self) -> dict[str, str]:
        return {name: row["state"] for name, row in self.report["hosts"].items()}

    def summary(self) -> str:
        """Return what is told last, after Ansible's own recapitulation."""
        return self.told.rpartition("PLAY RECAP")[2]


def test_all_hosts_are_refused(tmp_path: Path) -> None:
    run = Ended(tmp_path, {"one": REFUSED, "two": REFUSED})
    assert (run.code, run.states) == (FAILED, {"one": "refused", "two": "refused"})
    assert run.resume == ["one", "two"]
    assert "one: refused" in run.summary() and "two: refused" in run.summary()


def test_no_host_answers(tmp_path: Path) -> None:
    run = Ended(tmp_path, {"one": SILENT, "two": SILENT})
    assert (run.code, run.states) == (UNREACHABLE, {"one": "unreachable", "two": "unreachable"})
    assert run.resume == ["one", "two"]
    assert "two: unreachable" in run.summary()


def test_who_does_not_answer_is_told_apart_from_who_is_refused(tmp_path: Path) -> None:
    run = Ended(tmp_path, {"far": SILENT, "odd": REFUSED})
    assert (run.code, run.states) == (UNREACHABLE, {"far": "unreachable", "odd": "refused"})
    recap = dict(line.split(":", 1) for line in run.told.partition("RECAP")[2].splitlines() if "ok=" in line)
    counts = {
        name.strip(): [word for word in told.split() if word[-1] != "0"] for name, told in recap.items()
    }
    assert "unreachable=1" in counts["far"] and "failed=1" not in counts["far"]
    assert "failed=1" in counts["odd"] and "unreachable=1" not in counts["odd"]


@pytest.mark.parametrize("hosts", [["one"], ["one", "two"]])
def test_what_fails_once_for_all_is_told_for_each(tmp_path: Path, hosts: list[str]) -> None:
    run = Ended(tmp_path, dict.fromkeys(hosts, REFUSED), whisperx_plan_packages={"ctranslate2": "=>4"})
    assert (run.code, run.states) == (FAILED, dict.fromkeys(hosts, "failed"))
    assert all("PEP 440" in run.report["hosts"][name]["message"] for name in hosts)
    assert run.resume == hosts


def test_services_that_cannot_run_are_refused_before_anything_is_downloaded_or_built(tmp_path: Path) -> None:
    known = json.loads(inventory(tmp_path, whisperx_wheelhouse_dir="wheelhouse").read_text())["all"]["hosts"]
    run = Ended(tmp_path, known, whisperx_services={"tiny": {"command": "no-such-command"}})
    # This machine need not be root's or systemd's.
    rules = ("service.unknown-command", "service.no-systemd", "service.not-root")
    assert run.code == FAILED and any(f"rule: {rule}" in run.told for rule in rules), run.told
    assert "Download each file once" not in run.told and "Build, verify and activate" not in run.told
    assert not (tmp_path / "root").exists() and not (tmp_path / "wheelhouse").exists()
