"""The order of a roll-out, and what stops it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from module_utils.whisperx_problem import Problem
from module_utils.whisperx_rollout.waves import OWN, Failure, allowance, held, turn, waves

STEPS: list[int | str] = [1, "10%", "50%", "100%"]
FLEETS = st.dictionaries(st.text(min_size=1), st.sampled_from("abcd"), max_size=60)
BAD = Failure("env.abi", "no kernel image")
SIZES = st.one_of(st.integers(1, 100), st.integers(1, 100).map("{}%".format))


@given(FLEETS, st.lists(SIZES, max_size=5))
def test_every_host_is_in_exactly_one_wave(pending: dict[str, str], steps: list[int | str]) -> None:
    found = [host for wave in waves(pending, steps) for host in wave]
    assert sorted(found) == sorted(pending)
    assert all(waves(pending, steps))


@given(FLEETS, st.lists(SIZES, max_size=5))
def test_a_canary_is_alone_of_its_class_in_its_wave_and_first(
    pending: dict[str, str], steps: list[int | str]
) -> None:
    seen: set[str] = set()
    for wave in waves(pending, steps):
        classes = [pending[host] for host in wave]
        fresh = [identity for identity in classes if identity not in seen]
        assert len(fresh) == len(set(fresh))
        assert not fresh or len(fresh) == len(classes)
        seen.update(classes)


def test_the_steps_of_a_fleet_of_one_class() -> None:
    pending = {f"h{number:02}": "a" for number in range(20)}
    assert [len(wave) for wave in waves(pending, STEPS)] == [1, 2, 10, 7]


def test_the_largest_class_is_tried_first_and_the_canary_can_be_named() -> None:
    pending = {"x1": "x", "y1": "y", "y2": "y"}
    assert waves(pending, STEPS) == [["y1"], ["x1"], ["y2"]]
    assert waves(pending, STEPS, canaries=["y2", "gone"])[0] == ["y2"]


def test_one_host_is_one_wave() -> None:
    assert waves({"only": "a"}, STEPS) == [["only"]]
    assert waves({}, STEPS) == []


def test_after_a_failure_its_class_is_left_alone_and_others_go_on() -> None:
    pending = {"a1": "a", "a2": "a", "b1": "b"}
    found = held(pending, {"a1": BAD}, [], 2)
    assert list(found) == ["a2"]
    assert "a1 of the same class failed first: no kernel image" in found["a2"]


def test_who_came_through_is_not_held_when_one_of_its_class_fails_later() -> None:
    pending = {"a1": "a", "a2": "a", "a3": "a", "b1": "b"}
    assert list(held(pending, {"a2": BAD}, [], 2, proved=["a1"])) == ["a3"]
    assert list(held(pending, {"a2": BAD}, [], 0, proved=["a1"])) == ["a3", "b1"]


def test_a_host_that_went_away_says_nothing_about_its_class() -> None:
    assert held({"a1": "a", "a2": "a"}, {}, ["a1"], 1) == {}


@pytest.mark.parametrize("rule", sorted(OWN))
def test_a_failure_of_the_host_itself_says_nothing_about_its_class(rule: str) -> None:
    pending = {"a1": "a", "a2": "a", "b1": "b"}
    full = {"a1": Failure(rule, "full")}
    assert held(pending, full, [], 1) == {}
    assert set(held(pending, full, ["b1"], 1)) == {"a2"}  # yet the budget counts it


def test_every_rule_of_a_host_alone_exists() -> None:
    root = Path(__file__).resolve().parents[3]
    sources = [*root.glob("module_utils/whisperx_*/*.py"), *root.glob("library/*.py")]
    text = "".join(path.read_text() for path in sources if path.parent.name != "whisperx_rollout")
    assert [rule for rule in OWN if f'"{rule}"' not in text] == []


def test_the_next_of_a_class_takes_the_place_of_a_canary_that_went_away() -> None:
    pending = {"a1": "a", "a2": "a", "a3": "a", "a4": "a", "b1": "b", "b2": "b", "b3": "b"}
    wave = ["a2", "a3", "b2", "b3"]
    # b1 came through, a1 went away before this wave.
    assert turn(wave, pending, ["b1"], ["a1", "b1"]) == (["a2", "b2", "b3"], ["a3"])
    # So did a2: a3 is the canary now.
    gone, proved = ["a1", "a2"], ["b1", "b2", "b3"]
    assert turn(wave, pending, proved, [*gone, *proved]) == (["a3"], [])
    # It came through: the rest of the class, in the next wave, goes together.
    assert turn(["a4"], pending, [*proved, "a3"], [*gone, *proved, "a3"]) == (["a4"], [])


@given(FLEETS, st.lists(SIZES, max_size=5), st.data())
def test_every_host_has_one_turn_and_no_class_goes_on_unproved(
    pending: dict[str, str], steps: list[int | str], data: st.DataObject
) -> None:
    gone = set(data.draw(st.lists(st.sampled_from(sorted(pending)), unique=True))) if pending else set()
    proved: list[str] = []
    had: list[str] = []
    for wave in waves(pending, steps):
        now, waiting = turn(wave, pending, proved, had)
        while now:
            sure = {pending[host] for host in proved}
            fresh = [pending[host] for host in now if pending[host] not in sure]
            assert len(fresh) == len(set(fresh))
            had += now
            proved += [host for host in now if host not in gone]
            now, waiting = turn(wave, pending, proved, had)
        assert waiting == []
    assert sorted(had) == sorted(pending)


def test_the_budget_counts_across_classes_and_waves() -> None:
    pending = {f"{identity}{number}": identity for identity in "abc" for number in range(4)}
    found = held(pending, {"a0": BAD}, ["b0"], 1)
    assert set(found) == set(pending) - {"a0", "b0"}
    assert "whisperx_rollout_budget allows 1 of 12" in found["c0"]


@given(FLEETS, st.data())
def test_a_lost_host_is_never_held_and_a_broken_class_never_goes_on(
    pending: dict[str, str], data: st.DataObject
) -> None:
    lost = data.draw(st.lists(st.sampled_from(sorted(pending)), unique=True)) if pending else []
    failed = dict.fromkeys(lost, BAD)
    found = held(pending, failed, [], "20%")
    assert not set(found) & set(failed)
    broken = {pending[host] for host in failed}
    assert {host for host in pending if pending[host] in broken} <= set(found) | set(failed)


@pytest.mark.parametrize("value", ["ten", "-1", "101%", "", "%", "1.5", "٣"])
def test_a_wrong_value_is_named(value: str) -> None:
    with pytest.raises(Problem, match="whisperx_rollout_budget"):
        allowance(10, value)
    with pytest.raises(Problem, match="whisperx_rollout_steps"):
        waves({"a": "a"}, [value])


def test_a_budget_of_nothing_stops_at_the_first_loss() -> None:
    assert (allowance(10, 0), allowance(10, "10%"), allowance(3, "10%")) == (0, 1, 1)
    assert set(held({"a": "a", "b": "b"}, {"a": BAD}, [], 0)) == {"b"}
