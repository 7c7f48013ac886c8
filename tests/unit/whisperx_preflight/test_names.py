"""Names of variables that nobody defines."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from module_utils.whisperx_preflight.names import defined, refuse_unknown, specifications
from module_utils.whisperx_problem import Problem

ROLES = Path(__file__).resolve().parents[3] / "roles"
KNOWN = sorted(defined(ROLES))


def test_every_default_of_every_role_is_known() -> None:
    for path in ROLES.glob("*/defaults/main.yml"):
        assert set(yaml.safe_load(path.read_text()) or {}) <= set(KNOWN)
    assert {"whisperx_hosts", "whisperx_host"} <= set(KNOWN)


def test_every_known_variable_of_a_role_has_a_specification() -> None:
    assert set(KNOWN) - set(specifications(ROLES)) == {
        "whisperx_hosts",
        "whisperx_hosts_required",
        "whisperx_host",
    }


@given(st.sampled_from(KNOWN), st.integers(0, 40), st.sampled_from("abz_"))
def test_a_name_with_a_letter_too_many_is_refused_by_name(name: str, place: int, letter: str) -> None:
    place = max(len("whisperx_"), min(place, len(name)))
    wrong = name[:place] + letter + name[place:]
    if wrong in KNOWN:
        return
    with pytest.raises(Problem) as raised:
        refuse_unknown([wrong, *KNOWN, "ansible_user", "__whisperx_plan"], KNOWN)
    assert raised.value.rule == "preflight.unknown-variable"
    assert f"({wrong})" in raised.value.found and "Did you mean whisperx_" in raised.value.remedy


def test_names_of_others_and_known_ones_pass() -> None:
    refuse_unknown([*KNOWN, "ansible_host", "__whisperx_plan", "whisper"], KNOWN)
