"""What the hosts of a play left, as the roll-out needs it."""

from __future__ import annotations

from typing import Any

import pytest

from module_utils.whisperx_fleet.variables import Fleet
from module_utils.whisperx_rollout.hosts import failure, order, pending, truth, turn_options
from module_utils.whisperx_rollout.order import ARGUMENTS, decide
from module_utils.whisperx_rollout.waves import Failure

PLAN = {"verdict": "plan", "class": "c", "system_packages": []}
REFUSED = {"verdict": "refused", "reasons": [{"sentence": "glibc 2.17 is too old"}]}


class HostVars(dict[str, Any]):
    """Hostvars without templates."""

    def raw_get(self, host_name: str) -> Any:
        return self[host_name]


def fleet(**hosts: dict[str, Any]) -> Fleet:
    names = list(hosts)
    return Fleet(
        {
            "ansible_play_hosts": names,
            "ansible_play_hosts_all": names,
            "ansible_play_batch": names,
            "hostvars": HostVars(hosts),
        }
    )


def test_hosts_change_that_have_actions_or_lack_packages_in_their_order() -> None:
    plans = {
        "d": {"class": "k2"},
        "a": {"class": "k1"},
        "b": {"class": "k1", "system_packages": ["ffmpeg"]},
        "c": {"class": "k1", "system_packages": ["ffmpeg"]},
        "e": {"class": "k2"},
    }
    actions = [{"a": [], "d": ["build"]}, {"e": ["load"]}]
    found = pending(["a", "b", "c", "d", "e", "gone"], plans, actions, {"c": "no"})
    assert list(found.items()) == [("b", "k1"), ("d", "k2"), ("e", "k2")]


def test_without_plans_removals_are_of_one_class() -> None:
    assert pending(["a", "b", "c"], {}, [{"a": ["remove"], "c": ["remove"]}], {}) == {"a": "", "c": ""}


@pytest.mark.parametrize("value", [True, "true", "Yes", "on", 1, "1"])
def test_variables_from_the_command_line_are_true_as_texts(value: Any) -> None:
    assert truth(value) and not truth(False) and not truth("no") and not truth("false")


def test_the_order_is_of_both_runtimes() -> None:
    joined = fleet(
        a={"__whisperx_venv_result": {"actions": ["build"]}},
        b={"__whisperx_container_result": {"actions": ["load"]}, "__whisperx_venv_result": {"skipped": True}},
        c={"__whisperx_venv_result": {"actions": []}},
        d={},
    )
    variables = {"__whisperx_plan": {"hosts": dict.fromkeys("abcd", PLAN)}}
    assert order(joined, variables) == {"a": "c", "b": "c"}
    assert order(joined, {}) == {"a": "", "b": ""}


def test_a_turn_knows_what_became_of_the_others() -> None:
    common = {"__whisperx_rollout": {"pending": {"a": "k", "b": "k", "c": "k", "d": "k"}}}
    joined = fleet(
        a={**common, "__whisperx_rollout_proved": True},
        b={**common, "__whisperx_rollout_failed": {"state": "failed", "rule": "env.abi", "message": "m"}},
        c={**common, "__whisperx_venv_result": {"unreachable": True}},
        d={**common, "__whisperx_rollout_proved": False, "__whisperx_rollout_failed": {}},
    )
    found = turn_options(joined)
    assert found == {
        "pending": {"a": "k", "b": "k", "c": "k", "d": "k"},
        "proved": ["a"],
        "failed": {"b": {"rule": "env.abi", "message": "m"}},
        "unreachable": ["c"],
    }
    defaults = {name: option.get("default") for name, option in ARGUMENTS.items()}
    decided = decide({**defaults, **found, "wave": ["d"], "budget": "5"})
    assert decided["now"] == [] and list(decided["held"]) == ["d"]


def test_orders_of_two_imports_of_the_playbook_are_joined() -> None:
    joined = fleet(
        a={"__whisperx_rollout": {"pending": {"a": "x"}}}, b={"__whisperx_rollout": {"pending": {"b": "y"}}}
    )
    assert turn_options(joined)["pending"] == {"a": "x", "b": "y"}


class TestFailure:
    def test_a_task_that_failed_is_what_it_said(self) -> None:
        variables = {"__whisperx_plan": {"hosts": {"a": PLAN}}}
        found = failure("a", {"msg": " no room \n", "rule": "env.disk-space"}, variables)
        assert found == {"state": "failed", "rule": "env.disk-space", "message": "no room"}
        assert Failure(found["rule"], found["message"]) == Failure("env.disk-space", "no room")

    def test_a_module_that_could_not_begin_says_why_in_its_last_line(self) -> None:
        found = failure("a", {"msg": "No JSON", "module_stderr": "slow\nsudo: no\n"}, {})
        assert (found["state"], found["message"]) == ("failed", "No JSON (sudo: no)")

    @pytest.mark.parametrize("plans", [{}, {"b": PLAN}])
    def test_a_host_without_a_plan_after_the_decision_was_unreachable(self, plans: dict[str, Any]) -> None:
        assert failure("a", {}, {"__whisperx_plan": {"hosts": plans}})["state"] == "unreachable"
        assert failure("a", {}, {"__whisperx_plan": {"failed": True, "msg": "no"}})["state"] == "failed"

    def test_a_refused_host_has_its_first_reason(self) -> None:
        found = failure("a", {"msg": "many lines"}, {"__whisperx_plan": {"hosts": {"a": REFUSED}}})
        assert (found["state"], found["message"]) == ("refused", "glibc 2.17 is too old")

    def test_a_class_without_a_lock_is_refused_with_what_was_said(self) -> None:
        variables = {"__whisperx_plan": {"hosts": {"a": PLAN}}, "__whisperx_lock": {"problems": {"c": {}}}}
        assert failure("a", {"msg": "no index"}, variables)["state"] == "refused"

    def test_without_any_result_there_is_still_a_sentence(self) -> None:
        assert failure("a", {}, {})["message"] == "a task failed, see above"
