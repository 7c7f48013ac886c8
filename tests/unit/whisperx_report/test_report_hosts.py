"""What a run left in the variables of its hosts, as the report takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from module_utils.whisperx_fleet.variables import Fleet
from module_utils.whisperx_report.collect import report
from module_utils.whisperx_report.files import write_report
from module_utils.whisperx_report.hosts import begun, held, known, notes, results

TEMPLATES = str(Path(__file__).resolve().parents[3] / "roles" / "whisperx_report" / "files" / "page")
FACTS = {"libc": {"family": "glibc", "version": "2.41"}}
PLAN = {"verdict": "plan", "class": "k"}
RUN = {"at": "2026-11-30 10:00 UTC", "playbook": "site", "check": False}
DONE = {"actions": [], "release": "r", "record": {}}


class HostVars(dict[str, Any]):
    """Hostvars without templates."""

    def raw_get(self, host_name: str) -> Any:
        return self[host_name]


def fleet(active: str, **hosts: dict[str, Any]) -> Fleet:
    names = list(hosts)
    return Fleet(
        {"ansible_play_hosts": list(active), "ansible_play_hosts_all": names, "hostvars": HostVars(hosts)}
    )


def states(joined: Fleet, variables: dict[str, Any]) -> dict[str, str]:
    rows = report(joined.all, known(joined, variables), {})["hosts"]
    return {name: row["state"] for name, row in rows.items()}


def test_every_way_that_a_host_may_end() -> None:
    read = {"ansible_facts": {"whisperx_host": FACTS}}
    joined = fleet(
        "abcdeghi",
        a={**read, "__whisperx_venv_result": DONE},
        b={**read, "__whisperx_container_result": DONE, "__whisperx_venv_result": {"skipped": True}},
        c={**read, "__whisperx_rollout_failed": {"state": "failed", "message": "m", "rule": ""}},
        d={"__whisperx_host_read": {"unreachable": True, "msg": "timed out"}},
        e=read,
        f=read,
        g={**read, "__whisperx_rollout_failed": {}, "__whisperx_venv_result": DONE},
        h={},
        i={**read, "__whisperx_venv_result": DONE, "__whisperx_container_result": {"skipped": True}},
    )
    plans = {name: {**PLAN, "class": "odd" if name == "e" else "k"} for name in "abcefgi"}
    variables = {
        "__whisperx_plan": {"hosts": plans},
        "__whisperx_lock": {"problems": {"odd": {"sentence": "no index"}}},
        "__whisperx_preflight": {"invalid": {"h": "whisperx_venv_keep is no number"}},
    }
    assert states(joined, variables) == {
        "a": "unchanged",
        "b": "unchanged",
        "c": "failed",
        "d": "unreachable",
        "e": "refused",
        "f": "failed",
        "g": "unchanged",
        "h": "failed",
        "i": "unchanged",
    }


def test_without_anything_in_the_variables_no_host_was_reached() -> None:
    assert states(fleet("a", a={}), {}) == {"a": "unreachable"}


def test_who_was_held_is_known_to_the_last_wave() -> None:
    joined = fleet(
        "ab", a={"__whisperx_rollout_now": {"held": {}}}, b={"__whisperx_rollout_now": {"held": {"c": "w"}}}
    )
    groups = {"whisperx_wave_00": ["a"], "whisperx_wave_01": ["b", "a"], "all": ["a", "b"]}
    assert held(joined, groups) == {"c": "w"}
    assert held(joined, {"all": ["a"]}) == {}


def test_a_skipped_runtime_never_hides_the_other() -> None:
    skipped, done = {"skipped": True}, {"release": "r"}
    assert results({"a": skipped}, {"a": done}) == {"a": done}
    assert results({"a": done}, {"a": skipped}) == {"a": done}
    assert results({}, {"a": skipped}) == {"a": skipped}


def test_notes_of_all_locks_are_named_once() -> None:
    locks = {"a": {"notes": ["larger build"]}, "b": {"notes": ["larger build", "old"]}, "c": {}}
    assert notes({"__whisperx_lock": {"locks": locks}}) == ["larger build", "old"]
    assert notes({}) == []


def test_the_reason_is_said_once_and_first_and_who_moved_is_listed(tmp_path: Path) -> None:
    record = {"id": "a", "versions": {"ctranslate2": "4.7.0"}, "device": "cpu"}
    assessed = {
        "actions": ["Built b", "Switched from a to b"],
        "release": "b",
        "predicted": True,
        "record": record,
    }
    moved = {**assessed, "predicted": False, "summary": ["m: took 3 s"]}
    joined = fleet(
        "fhm",
        f={
            "__whisperx_rollout_failed": {"state": "failed", "message": "the balancer said no"},
            "__whisperx_venv_result": {**assessed, "summary": ["f: would build b"]},
        },
        h={"__whisperx_container_result": {**assessed, "summary": ["h: predicted: Built b"]}},
        m={"__whisperx_venv_result": moved},
    )
    page, list_ = tmp_path / "site.html", tmp_path / "site.changed"
    given = {"hosts": joined.all, "known": {**known(joined, {}), "held": {"h": "f failed first"}}, "run": RUN}
    files = {"output": "", "page": str(page), "resume": "", "moved": str(list_), "templates": TEMPLATES}
    result, _ = write_report({**given, **files})
    told = "\n".join(result["lines"])
    assert result["lines"][:2] == [
        "f: failed: the balancer said no",
        "f: still runs ctranslate2 4.7.0 on cpu",
    ]
    assert "h: held: f failed first" in told and "m: took 3 s" in told
    assert "would build" not in told and "predicted" not in told
    assert f"to go back: rollback with --limit @{list_}" in told and list_.read_text() == "m\n"
    assert "Built b" in page.read_text() and page.read_text().count("the balancer said no") < 4
    rows = report(joined.all, given["known"], {})["hosts"]
    assert [name for name, row in rows.items() if row["actions"]] == ["m"]


def test_the_result_has_how_every_host_ended_that_did_not_end_well(tmp_path: Path) -> None:
    joined = fleet("ab", a={"__whisperx_venv_result": DONE}, b={"__whisperx_host_read": {"msg": "no sudo"}})
    output = tmp_path / "new" / "site.json"
    given = {"hosts": joined.all, "known": known(joined, {}), "run": {}, "templates": TEMPLATES}
    result, unwritten = write_report({**given, "output": str(output), "page": "", "resume": "", "moved": ""})
    assert result["outcomes"] == {"b": {"state": "failed", "message": "no sudo"}}
    assert result["unwell"] == ["b"] and unwritten == [] and output.exists()


def test_hosts_of_later_batches_are_no_part_of_a_report() -> None:
    """b failed in the first batch and is in none any more; the second is c, which does not respond, and d."""
    joined = fleet(
        "acdef", a={"__whisperx_host_read": {}}, b={}, c={}, d={"__whisperx_host_read": {}}, e={}, f={}
    )
    joined.batch = ["d"]
    assert begun(joined) == ["a", "b", "c", "d"]
    joined.batch = list(joined.active)
    assert begun(joined) == list("abcdef")
