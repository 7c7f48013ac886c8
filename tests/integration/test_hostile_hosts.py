"""No word of a host is more than a word on the controller: no template, no shell, no path, no variable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hostile_lab import ROOT, Fleet, leaves

FACTS = next((ROOT / "tests/fixtures/hosts").glob("debian13-cpu--*.json"))


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    facts: dict[str, Any] = json.loads(FACTS.read_text())["facts"]
    return Fleet(tmp_path_factory.mktemp("hostile"), facts)


def free(value: Any) -> list[str]:
    """Return the strings of an inventory that Ansible would take for templates."""
    if isinstance(value, dict):
        if set(value) == {"__ansible_unsafe"}:
            return []
        return [*value, *(text for inner in value.values() for text in free(inner))]
    return (
        [text for inner in value for text in free(inner)] if isinstance(value, list) else list(leaves(value))
    )


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
    assert len(known) > 8, done.stdout + done.stderr
    assert not [text for text in free(known) if "{" in text or "__" in text]
    assert json.loads((fleet.base / "plan.json").read_text())["hosts"], done.stdout
    # The same file as an inventory, and the same facts as a directory of files that somebody captured.
    (fleet.base / "facts").mkdir()
    for name in fleet.hosts:
        text = (fleet.base / "hosts" / name / "whisperx_host_facts.json").read_text()
        if name != "noise":
            facts = json.loads(text)["ansible_facts"].get("whisperx_host", {})
            (fleet.base / "facts" / f"{name}.json").write_text(json.dumps({"facts": facts}))
    again = fleet.run("plan", "-v", inventory=str(saved), **places)
    assert "PLAY RECAP" in again.stdout, again.stdout + again.stderr
    described = fleet.run("plan", "-v", inventory="inventory/dynamic", **places)
    assert "PLAY RECAP" in described.stdout, described.stdout + described.stderr
    assert "left out the field" in described.stderr
    assert fleet.traces() == []


def test_a_file_without_marks_would_have_been_evaluated(fleet: Fleet, tmp_path: Path) -> None:
    """So that the canaries are known to sing."""
    facts = json.loads((fleet.base / "hosts/host-expression/whisperx_host_facts.json").read_text())
    variables = {
        "whisperx_host_source": "assume",
        "whisperx_host_assume": {"os": facts["ansible_facts"]["whisperx_host"]["os"]},
    }
    (tmp_path / "plain.json").write_text(json.dumps({"all": {"hosts": {"one": variables}}}))
    fleet.run("plan", inventory=str(tmp_path / "plain.json"))
    traces = fleet.traces()
    for trace in traces:
        (fleet.canaries / trace).unlink()
    assert traces
