"""The record of a run, and the page that shows it."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from module_utils.whisperx_report.collect import STATES, render_json, report
from module_utils.whisperx_report.page import data_block, packed, render
from module_utils.whisperx_report.terminal import lines

TEMPLATES = str(Path(__file__).resolve().parents[3] / "roles" / "whisperx_report" / "files" / "page")
RUN = {"at": "2026-11-23 21:00 UTC", "playbook": "site", "check": False}
FACTS = {"os": {"id": "debian", "version": "13"}, "libc": {"family": "glibc", "version": "2.41"}}
PLAN = {"verdict": "plan", "class": "c1", "device": "cpu", "pins": {"whisperx": "3.8.6", "numpy": "2.1"}}
RESULT = {
    "actions": [],
    "release": "whisperx-3.8.6-cpu",
    "record": {"versions": {"whisperx": "3.8.6", "numpy": "2.1"}, "device": "cpu"},
    "diff": {"before": "torch==2.7.1\nnumpy==2.1\n", "after": "torch==2.8.0\nnumpy==2.1\nav==1\n"},
}


def one(**known: Any) -> dict[str, Any]:
    """Return the row of the only host, of which this is known."""
    parts = {part: {"db1": value} for part, value in known.items() if part != "problem"}
    return report(["db1"], {**parts, "problem": known.get("problem", {})}, RUN)["hosts"]["db1"]


class TestStates:
    def test_a_host_that_was_verified_is_changed_or_unchanged(self) -> None:
        assert one(facts=FACTS, plan=PLAN, result={**RESULT, "actions": []})["state"] == "unchanged"
        assert one(facts=FACTS, plan=PLAN, result={**RESULT, "actions": ["Switched"]})["state"] == "changed"

    def test_without_facts_and_plan_it_was_not_reached(self) -> None:
        assert one()["state"] == "unreachable"

    def test_unreachable_is_not_failed(self) -> None:
        gone = one(facts=FACTS, plan=PLAN, result={"unreachable": True, "msg": "timed out"})
        assert (gone["state"], gone["message"]) == ("unreachable", "timed out")
        assert one(facts=FACTS, plan=PLAN, result={"failed": True, "msg": "no room"})["state"] == "failed"

    def test_a_host_that_failed_in_its_wave_has_the_state_that_the_run_noted(self) -> None:
        for state in ("failed", "unreachable", "refused"):
            row = one(facts=FACTS, plan=PLAN, result=RESULT, lost={"state": state, "message": "why"})
            assert (row["state"], row["message"], row["actions"]) == (state, "why", [])

    def test_a_prediction_is_no_result_of_a_real_run(self) -> None:
        done = {**RESULT, "actions": ["Built release b", "Switched from a to b"], "release": "b"}
        assessed = {
            **done,
            "predicted": True,
            "record": {**RESULT["record"], "id": "a"},
            "timings": {"build": 1.0},
        }
        for state, known in (
            ("failed", {"lost": {"state": "failed", "message": "why", "rule": "env.busy"}}),
            ("held", {"held": "why"}),
            ("held", {}),  # the run ended before its turn
        ):
            row = one(facts=FACTS, plan=PLAN, result=assessed, **known)
            assert row["state"] == state and row["message"]
            assert (row["release"], row["moved_from"]) == ("a", "")
            assert not any(row[part] for part in ("actions", "diff", "seconds", "bytes"))
            assert row["versions"] == {"whisperx": "3.8.6"}
        assert (
            one(result=assessed, lost={"state": "failed", "message": "", "rule": "env.busy"})["rule"]
            == "env.busy"
        )
        changed = one(facts=FACTS, plan=PLAN, result={**done, "predicted": False})
        assert (changed["state"], changed["moved_from"]) == ("changed", "a") and changed["diff"]

    def test_only_a_switch_from_a_release_has_moved_a_host(self) -> None:
        for actions in (["Switched from nothing to b"], ["Removed release a"], []):
            assert one(result={**RESULT, "actions": actions})["moved_from"] == ""
        hook = {"state": "failed", "message": "the hook after the change"}
        moved = one(result={**RESULT, "actions": ["Switched from a to b"]}, lost=hook)
        assert (moved["state"], moved["moved_from"]) == ("failed", "a")

    def test_an_audit_that_did_not_reach_its_host_says_so(self) -> None:
        gone = one(facts=FACTS, plan=PLAN, audit={"unreachable": True, "msg": "timed out"})
        assert (gone["state"], gone["message"]) == ("unreachable", "timed out")
        lost = {"state": "failed", "message": "m"}
        broken = {"report": {"state": "broken", "findings": [{"file": "f", "found": "x"}]}}
        assert one(facts=FACTS, audit=broken, lost=lost)["state"] == "broken"

    def test_a_host_that_did_not_respond_has_the_message_of_the_connection(self) -> None:
        row = one(lost={"state": "unreachable", "message": "no plan"}, unread="timed out", gone=True)
        assert (row["state"], row["message"]) == ("unreachable", "timed out")

    def test_a_module_that_could_not_start_has_its_last_line_as_message(self) -> None:
        stderr = "Warning: slow\nsudo: a password is required\n"
        for row in (
            one(unread="No JSON", stderr=stderr),
            one(facts=FACTS, plan=PLAN, result={"failed": True, "msg": "No JSON", "module_stderr": stderr}),
        ):
            assert (row["state"], row["message"]) == ("failed", "No JSON (sudo: a password is required)")

    def test_a_host_whose_facts_cannot_be_read_is_not_called_unreachable(self) -> None:
        failed, gone = one(unread="no such root"), one(unread="timed out", gone=True)
        assert (failed["state"], failed["message"]) == ("failed", "no such root")
        assert (gone["state"], gone["message"]) == ("unreachable", "timed out")

    def test_a_host_that_another_task_stopped_is_not_called_planned(self) -> None:
        row = one(facts=FACTS, plan=PLAN, stopped=True)
        assert row["state"] == "failed" and "nothing was touched" in row["message"]

    def test_a_refusal_has_its_reasons_and_remedies(self) -> None:
        reason = {"sentence": "Python 3.14 is too new", "rule": "python.band", "source": "METADATA"}
        plan = {
            "verdict": "refused",
            "class": None,
            "reasons": [reason],
            "remedies": [{"sentence": "Install 3.13"}],
        }
        row = one(facts=FACTS, plan=plan)
        assert (row["state"], row["message"]) == ("refused", "Python 3.14 is too new")
        assert (row["reasons"], row["remedies"]) == ([reason], ["Install 3.13"])

    def test_a_class_that_cannot_be_locked_refuses_its_hosts(self) -> None:
        row = one(facts=FACTS, plan=PLAN, problem={"c1": "the index does not answer"})
        assert (row["state"], row["message"]) == ("refused", "the index does not answer")

    def test_a_dry_run_only_plans(self) -> None:
        known = {
            "facts": {"db1": FACTS},
            "plan": {"db1": PLAN},
            "result": {"db1": {**RESULT, "actions": ["Build"]}},
        }
        found = report(["db1"], known, {**RUN, "check": True})
        assert (found["totals"], found["changed"]) == ({"planned": 1}, 1)

    def test_a_host_without_an_environment_is_absent(self) -> None:
        removed = {"actions": ["Removed /opt/whisperx"], "release": "", "record": {}}
        assert one(facts=FACTS, result=removed)["state"] == "absent"
        assert one(facts=FACTS, plan=PLAN, audit={"report": {"state": "absent"}})["state"] == "absent"

    def test_what_would_break_is_breaking(self) -> None:
        coming = [{"sentence": "libctranslate2 asks for a stack", "rule": "abi.execstack"}]
        audit = {"report": {"state": "healthy", "breaks": coming}}
        row = one(facts=FACTS, plan=PLAN, audit=audit)
        assert (row["state"], row["message"]) == ("breaking", "libctranslate2 asks for a stack")

    def test_what_no_longer_fits_is_broken(self) -> None:
        found = [{"file": "libctranslate2.so", "found": "asks for a stack"}]
        row = one(facts=FACTS, plan=PLAN, audit={"report": {"state": "broken", "findings": found}})
        assert (row["state"], row["message"]) == ("broken", "libctranslate2.so asks for a stack")

    def test_a_host_that_was_only_rolled_back_was_reached(self) -> None:
        assert one(result={**RESULT, "actions": ["Switched back"]})["state"] == "changed"

    def test_a_held_host_says_why(self) -> None:
        assert (
            one(facts=FACTS, plan=PLAN, held="db0 of its class failed")["message"]
            == "db0 of its class failed"
        )


def test_the_difference_names_old_and_new_versions() -> None:
    assert one(facts=FACTS, plan=PLAN, result=RESULT)["diff"] == ["av new: 1", "torch 2.7.1 -> 2.8.0"]


def test_what_was_brought_is_told_in_bytes() -> None:
    assert one(facts=FACTS, plan=PLAN, result={**RESULT, "bytes_brought": 42})["bytes"] == 42


def test_the_same_run_gives_the_same_bytes() -> None:
    known = {"facts": {"b": FACTS, "a": FACTS}}
    assert render_json(report(["a", "b"], known, RUN)) == render_json(report(["b", "a"], known, RUN))


class Elements(HTMLParser):
    """Every element that the page really has, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names += [name for name, _ in attrs]


def page(host: str, text: str) -> str:
    known = {
        "facts": {host: {**FACTS, "os": {"id": text, "version": "1"}}},
        "plan": {host: {**PLAN, "class": text}},
    }
    known["result"] = {host: {"failed": True, "msg": text}}
    return render(report([host], known, RUN), TEMPLATES)


PLAIN = Elements(page("host", "text"))
SOMETHING = st.text(min_size=1)


@given(SOMETHING, SOMETHING)
def test_nothing_that_a_host_says_becomes_an_element(host: str, text: str) -> None:
    found = Elements(page(host, text))
    assert (found.tags, found.names) == (PLAIN.tags, PLAIN.names)


def test_a_script_in_a_host_stays_text() -> None:
    text = page("<script>alert(1)</script>", '</script><img src=x onerror="alert(1)">')
    assert "<img" not in text
    assert text.count("<script") == 2


@given(st.dictionaries(st.text(), st.text()))
def test_the_data_comes_back_as_it_went_in(hosts: dict[str, str]) -> None:
    block = str(data_block(hosts))
    assert json.loads(block) == hosts
    assert "<" not in block


VALUES = st.one_of(st.text(), st.lists(st.text()), st.dictionaries(st.text(), st.text()))


@given(st.dictionaries(st.text(), st.dictionaries(st.sampled_from("abcd"), VALUES)))
def test_hosts_come_out_as_they_were_packed(hosts: dict[str, dict[str, Any]]) -> None:
    found = packed(hosts)
    shared = found["shared"]
    unpacked = {
        row.get("name", ""): {
            key: shared[value["at"]] if isinstance(value, dict) else value
            for key, value in row.items()
            if key != "name"
        }
        for row in found["hosts"]
    }
    assert unpacked == {
        name: {key: value for key, value in row.items() if value} for name, row in hosts.items()
    }
    assert len({json.dumps(value, sort_keys=True) for value in shared}) == len(shared)


def test_the_page_asks_no_address_for_anything() -> None:
    text = page("db1", "fine")
    assert "http" not in text.replace("http-equiv", "")
    assert not {"link", "img", "iframe"} & set(Elements(text).tags)


def test_every_state_is_explained() -> None:
    assert all(sentence for sentence in STATES.values())


def fleet(count: int, spoilt: int = 0) -> dict[str, Any]:
    """Return the record of a run over so many hosts of two classes, the first few of which failed."""
    names = [f"db{number:04}" for number in range(count)]
    full = {"failed": True, "rule": "env.disk-space"}
    results = {
        name: {**full, "msg": f"{number} MiB free"} if number < spoilt else RESULT
        for number, name in enumerate(names)
    }
    plans = {name: {**PLAN, "class": f"c{number % 2}"} for number, name in enumerate(names)}
    known = {"facts": dict.fromkeys(names, FACTS), "plan": plans, "result": results}
    return report(names, known, {**RUN, "notes": ["the mirror lacks cu128"]})


class TestTerminal:
    def test_of_a_few_hosts_each_says_what_its_module_said(self) -> None:
        told = lines(fleet(2, spoilt=1), {"db0001": ["db0001: whisperx 3.8.6 on cpu", "db0001: took 3 s"]})
        assert told == [
            "db0000: failed: 0 MiB free",
            "db0001: whisperx 3.8.6 on cpu",
            "db0001: took 3 s",
            "note: the mirror lacks cu128",
            "2 hosts: 1 failed, 1 unchanged",
        ]

    def test_of_many_hosts_a_screen_tells_the_worst_first(self) -> None:
        told = lines(fleet(2000, spoilt=5), {})
        assert told == [
            "failed, 5 hosts (db0000, db0001, db0002 and 2 more): 0 MiB free [env.disk-space]",
            "unchanged, 998 hosts of c1: whisperx 3.8.6 on cpu",
            "unchanged, 997 hosts of c0: whisperx 3.8.6 on cpu",
            "note: the mirror lacks cu128",
            "2000 hosts: 5 failed, 1995 unchanged",
        ]

    def test_of_many_hosts_without_an_environment_there_is_nothing_to_run(self) -> None:
        gone = {"actions": ["Removed /opt/whisperx"], "release": "", "record": {}}
        names = [f"db{number}" for number in range(12)]
        told = lines(report(names, {"result": dict.fromkeys(names, gone)}, RUN), {})
        assert told == ["absent, 12 hosts of no class; 12 changed", "12 hosts: 12 absent; 12 changed"]

    def test_of_a_refused_host_it_tells_what_helps(self) -> None:
        step = {"sentence": "Install the package python3.13"}
        reasons = [{"rule": "python.band", "sentence": "No."}]
        plan = {"verdict": "refused", "reasons": reasons, "remedies": [step]}
        record = report(["db1"], {"facts": {"db1": FACTS}, "plan": {"db1": plan}}, RUN)
        assert lines(record, {})[:2] == ["db1: refused: No.", "db1: remedy: Install the package python3.13"]

    def test_a_host_cannot_steer_the_terminal(self) -> None:
        record = report(["db1"], {"result": {"db1": {"failed": True, "msg": "\x1b[2Jfine"}}}, RUN)
        assert "\x1b" not in "".join(lines(record, {}))


def test_one_problem_is_told_once_with_all_its_hosts() -> None:
    (one_problem,) = fleet(20, spoilt=3)["problems"]
    assert one_problem["hosts"] == ["db0000", "db0001", "db0002"]
    assert one_problem["rule"] == "env.disk-space"


@pytest.mark.parametrize(
    ("asked", "title"),
    [
        ([{"whisperx": ""}], "WhisperX on 1 host,"),
        ([{"ctranslate2": "==4.8.5"}, {"faster-whisper": ""}], "CTranslate2, faster-whisper on 2 hosts,"),
        ([{}, {}], "WhisperX on 2 hosts,"),
    ],
)
def test_the_title_names_what_was_asked_for(asked: list[dict[str, str]], title: str) -> None:
    names = [f"db{number}" for number in range(len(asked))]
    plans = {name: {**PLAN, "request": request} for name, request in zip(names, asked, strict=True)}
    page = render(report(names, {"plan": plans}, RUN), TEMPLATES)
    assert f"<title>{title}" in page and f"<h1>{title[:-1]}</h1>" in page
