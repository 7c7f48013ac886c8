"""What the tags of site.yml select."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from module_utils.whisperx_preflight.stages import STAGES, TAGS, stages
from module_utils.whisperx_problem import Problem

WHOLE = [*STAGES, "verify", "report"]
ANY = st.sets(st.sampled_from([*TAGS, "all", "tagged", "untagged", "other", "mine"]), max_size=4)


@pytest.mark.parametrize(
    ("wanted", "skipped", "expected"),
    [
        (["all"], [], WHOLE),
        (["facts"], [], ["facts"]),
        (["plan"], [], ["facts", "plan"]),
        (["lock"], [], ["facts", "plan", "lock", "report"]),
        (["install"], [], WHOLE),
        (["verify"], [], ["verify"]),
        (["report"], [], ["facts", "plan", "report"]),
        (["plan", "verify"], [], ["facts", "plan", "verify"]),
        (["all"], ["verify"], [*STAGES, "report"]),
        (["all"], ["report"], [*STAGES, "verify"]),
        (["all"], ["install"], ["facts", "plan", "lock", "report"]),
        (["all"], ["lock"], ["facts", "plan", "report"]),
        (["all"], ["plan"], ["facts", "report"]),
        (["other"], [], []),
        (["untagged"], [], []),
        (["mine"], [], WHOLE),
    ],
)
def test_a_tag_selects_its_stage_with_what_it_needs(
    wanted: list[str], skipped: list[str], expected: list[str]
) -> None:
    assert stages(wanted, skipped, {"mine", "always"}) == expected


@given(ANY, ANY)
def test_no_stage_runs_without_those_that_it_needs_nor_when_skipped(
    wanted: set[str], skipped: set[str]
) -> None:
    try:
        found = stages(wanted, skipped, {"mine"})
    except Problem as problem:
        assert problem.rule == "preflight.tags" and "facts" in skipped
        return
    pipeline = [stage for stage in found if stage in STAGES]
    assert pipeline == list(STAGES[: len(pipeline)])
    assert not set(found) & skipped
    assert set(found) <= set(TAGS) and len(found) == len(set(found))


def test_what_skips_the_facts_is_told_what_to_skip_instead() -> None:
    with pytest.raises(Problem, match=r"facts is skipped .*Skip plan, lock"):
        stages(["all"], ["facts"])
    assert stages(["verify"], ["facts"]) == ["verify"]
