"""No word of a host is more than a word on the controller: no template, no shell, no path, no variable."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile_lab import PAYLOADS, ROOT, Fleet, leaves
from wheelhouse_lab import CountingIndex, serving

from tests.attack.strength import FULL

FACTS = next((ROOT / "tests/fixtures/hosts").glob("debian13-cpu--*.json"))
# Each string in each syntax, or each in the next one.
TURNS = len(PAYLOADS) if FULL else 1
# In the short form what is not about hosts that differ is tried with few.
FEW = [] if FULL else ["--limit", "lies-00,fails-env"]
ONE = [] if FULL else ["--limit", "lies-00"]
WHEEL = "ctranslate2-4.8.5-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"


def wheel(folder: Path) -> None:
    """Make a wheel that can be locked; nobody installs it."""
    info = "ctranslate2-4.8.5.dist-info"
    texts = {
        "METADATA": "Metadata-Version: 2.1\nName: ctranslate2\nVersion: 4.8.5\n\n",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp313-cp313-manylinux_2_17_x86_64\n",
        "RECORD": "",
    }
    folder.mkdir()
    with zipfile.ZipFile(folder / WHEEL, "w") as archive:
        for name, text in texts.items():
            archive.writestr(f"{info}/{name}", text)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    facts: dict[str, Any] = json.loads(FACTS.read_text())["facts"]
    base = tmp_path_factory.mktemp("hostile")
    wheel(base / "wheels")
    with serving(CountingIndex(base / "wheels")) as index:
        found = Fleet(base, facts, TURNS)
        found.variables["whisperx_plan_index_url"] = f"{index.url}/simple"
        yield found


@pytest.fixture(autouse=True)
def no_trace(fleet: Fleet) -> Iterator[None]:
    """Whatever a test runs, nothing that a host said was done."""
    yield
    assert fleet.traces() == []


def free(value: Any) -> list[str]:
    """Return the strings of an inventory that Ansible would take for templates."""
    if isinstance(value, dict):
        if set(value) == {"__ansible_unsafe"}:
            return []
        return [*value, *(text for inner in value.values() for text in free(inner))]
    if isinstance(value, list):
        return [text for inner in value for text in free(inner)]
    return list(leaves(value))


def test_facts_are_saved_and_planned_again(fleet: Fleet) -> None:
    saved = fleet.base / "fleet.json"
    places = {
        "whisperx_host_output": str(saved),
        "whisperx_plan_output": str(fleet.base / "plan.json"),
        "whisperx_plan_page": str(fleet.base / "plan.html"),
    }
    done = fleet.run("plan", "-v", **places)
    assert saved.exists(), done.stdout + done.stderr
    known = json.loads(saved.read_text())["all"]["hosts"]
    assert set(known) == {name for name in fleet.hosts if name != "noise"}
    assert not [text for text in free(known) if "{" in text or "__" in text]
    first = json.loads((fleet.base / "plan.json").read_text())["hosts"]
    assert {first[name]["verdict"] for name in first if name.startswith("lies")} == {"plan"}
    # The same file as an inventory, and the same facts as a directory of files that somebody captured.
    (fleet.base / "facts").mkdir()
    for name in known:
        answer = json.loads((fleet.base / "hosts" / name / "whisperx_host_facts.json").read_text())
        facts = answer["ansible_facts"]["whisperx_host"]
        (fleet.base / "facts" / f"{name}.json").write_text(json.dumps({"facts": facts}))
    for inventory in (str(saved), "inventory/dynamic"):
        again = fleet.run("plan", "-v", *ONE, inventory=inventory, **places)
        assert "PLAY RECAP" in again.stdout, again.stdout + again.stderr
        # What was saved is clean already.
        assert ("left out the field" in again.stdout + again.stderr) == (inventory != str(saved))
        second = json.loads((fleet.base / "plan.json").read_text())["hosts"]
        assert {name: plan["verdict"] for name, plan in second.items()}.items() <= {
            name: plan["verdict"] for name, plan in first.items()
        }.items()


@pytest.mark.parametrize("words", [[], ["--check", *FEW]], ids=["a run", "a dry run"])
def test_a_site_is_rolled_out(fleet: Fleet, words: list[str]) -> None:
    """Through all of it: waves, changes, failures, report."""
    done = fleet.run("site", "-v", *words)
    name = "site-check" if words else "site"
    record = json.loads((fleet.base / f"reports/{name}.json").read_text())
    hosts = set(FEW[1].split(",")) if words and FEW else set(fleet.hosts)
    assert set(record["hosts"]) == hosts, done.stdout
    assert record["hosts"]["fails-env"]["state"] == "failed"
    assert record["hosts"].get("poisoned", {"state": "refused"})["state"] == "refused"
    assert {record["hosts"][host]["state"] for host in hosts if host.startswith("lies")} <= {
        "changed",
        "planned",
    }
    resume = (fleet.base / f"reports/{name}.retry").read_text().split("\n")
    assert set(resume) <= {*fleet.hosts, ""}


def test_the_other_playbooks_end_as_they_should(fleet: Fleet) -> None:
    files = {
        "whisperx_doctor_output": "doctor.json",
        "whisperx_audit_output": "audit.json",
        "whisperx_report_page": "page.html",
    }
    places = {name: str(fleet.base / file) for name, file in files.items()}
    places["whisperx_bake_papers"] = str(fleet.base / "papers")
    done = fleet.run("verify guard doctor audit bake rollback", "-v", **places)
    assert "PLAY RECAP" in done.stdout, done.stdout + done.stderr
    for file in ("doctor.json", "audit.json"):
        assert json.loads((fleet.base / file).read_text())["hosts"], done.stdout
    # What a root says of its releases are the contents and the names of files here.
    papers = {path.name: path.read_text() for path in (fleet.base / "papers").iterdir()}
    assert set(papers) == {"r1.cdx.json", "files.json", "varying.json"}, done.stdout
    assert "lookup" in papers["files.json"]
    assert "<html" in (fleet.base / "page.html").read_text()


def test_a_host_sets_no_variable_where_facts_are_variables(fleet: Fleet) -> None:
    """Ansible's default, without the checkout's configuration: they name a file of the controller."""
    done = fleet.run("rollback", *ONE, inject=True)
    assert "facts with names of variables (whisperx_report_output)" in done.stdout
    assert done.returncode != 0


def test_a_file_without_marks_would_have_been_evaluated(fleet: Fleet, tmp_path: Path) -> None:
    """So that the canaries are known to sing."""
    trace = fleet.canaries / "sung"
    text = PAYLOADS["expression"](str(trace))
    variables = {"whisperx_host_source": "assume", "whisperx_host_assume": {"os": {"codename": text}}}
    (tmp_path / "plain.json").write_text(json.dumps({"all": {"hosts": {"one": variables}}}))
    fleet.run("plan", inventory=str(tmp_path / "plain.json"))
    assert trace.exists()
    trace.unlink()
