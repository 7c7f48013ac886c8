"""Which hosts stay as they are by what came with their facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from test_rollout_hosts import fleet

from module_utils.whisperx_report.hosts import known as reported
from module_utils.whisperx_rollout.unchanged import unchanged

PLAN = {"verdict": "plan", "class": "c", "runtime": "venv"}
KNOWN = {"asked": "a lock", "options": {"root": "/opt/whisperx"}, "result": {"summary": ["unchanged"]}}
LOCKS = {"locks": {"c": {"text": "a lock"}}, "problems": {}}


def assessment(given: Mapping[str, Any], known: Any) -> dict[str, Any] | None:
    """Return the result where the lock is the one that was asked for; as the real one does."""
    assert given["assess"] and given["state"] == "present"
    if not isinstance(known, Mapping) or known.get("asked") != given["lock"]:
        return None
    assert given["root"] == "/opt/whisperx" and given["plan"]["class"] == "c"
    return dict(known["result"])


def no_models(_host: str) -> dict[str, Any]:
    return {}


def found(
    plan: dict[str, Any], known: Any, locks: dict[str, Any] = LOCKS, models: Any = no_models
) -> dict[str, Any]:
    variables = {"__whisperx_plan": {"hosts": {"a": plan}}, "__whisperx_lock": locks}
    return unchanged(
        fleet(a={"__whisperx_host_read": {"assessed": known}}, b={}), variables, assessment, models
    )


def test_a_host_stays_whose_release_is_what_the_plan_asks_for() -> None:
    assert found(PLAN, KNOWN) == {"a": {"summary": ["a: unchanged"]}}


@pytest.mark.parametrize(
    ("plan", "known", "locks"),
    [
        (PLAN | {"verdict": "refused"}, KNOWN, LOCKS),
        (PLAN | {"runtime": "container"}, KNOWN, LOCKS),
        (PLAN | {"system_packages": ["ffmpeg"]}, KNOWN, LOCKS),
        (PLAN, KNOWN | {"asked": "another"}, LOCKS),
        (PLAN, {}, LOCKS),
        (PLAN, "text", LOCKS),
        (PLAN, {"options": ["a"]}, LOCKS),
        (PLAN, KNOWN, {"locks": {}, "problems": {"c": {"sentence": "no wheel"}}}),
        (PLAN, KNOWN, {"skipped": True}),
        ({}, KNOWN, LOCKS),
    ],
)
def test_any_other_is_asked(plan: dict[str, Any], known: Any, locks: dict[str, Any]) -> None:
    assert found(plan, known, locks) == {}


@pytest.mark.parametrize("whole", [True, False])
def test_the_report_goes_by_it_only_where_the_play_ended_there(whole: bool) -> None:
    """An earlier site.yml of the same run left other results; those of this one are later."""
    joined = fleet(a={"__whisperx_venv_result": {"actions": ["Built"]}})
    variables = {"__whisperx_unchanged": {"hosts": {"a": {"actions": []}}, "all": whole}}
    assert reported(joined, variables)["result"] == {"a": {"actions": [] if whole else ["Built"]}}


def test_a_skipped_task_registers_no_hosts() -> None:
    joined = fleet(a={"__whisperx_venv_result": {"actions": ["Built"]}})
    variables = {"__whisperx_unchanged": {"skipped": True}}
    assert reported(joined, variables)["result"] == {"a": {"actions": ["Built"]}}


def test_a_host_whose_models_change_does_not_stay() -> None:
    said = {"actions": ["Placed the model whisper base"], "summary": ["models: whisper base"]}
    assert found(PLAN, KNOWN, models=lambda host: said) == {}
    assert found(PLAN, KNOWN, models=lambda host: None) == {}


def test_a_host_that_stays_names_its_models() -> None:
    stays = found(PLAN, KNOWN, models=lambda host: {"actions": [], "summary": ["models: whisper base"]})
    assert stays["a"]["summary"][-1] == "a: models: whisper base"
