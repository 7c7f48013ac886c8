"""What hosts of a play bring to the decision: facts as data, requests by host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from module_utils.whisperx_fleet.variables import Fleet
from module_utils.whisperx_plan.options import ARGUMENTS
from module_utils.whisperx_plan.play_hosts import VARIABLES, facts_of, requests_of
from module_utils.whisperx_plan.requests import OPTIONS

ROOT = Path(__file__).resolve().parents[3]
FACTS = {"machine": "x86_64"}
HOSTILE = "{{ lookup('pipe', 'touch /tmp/x') }}"
TEXTS = st.text(max_size=8) | st.just(HOSTILE)
DATA = st.recursive(
    TEXTS, lambda inner: st.dictionaries(st.text(max_size=4), inner, max_size=2), max_leaves=5
)


class HostVars:
    """Hostvars whose templates become a text that names the host; ``templated`` notes each."""

    def __init__(self, hosts: dict[str, dict[str, Any]]) -> None:
        self.hosts = hosts
        self.templated: list[tuple[str, str]] = []

    def raw_get(self, host_name: str) -> Any:
        return self.hosts[host_name]

    def __getitem__(self, key: str) -> Any:
        outer = self

        class Values(dict[str, Any]):
            def __getitem__(self, name: str) -> Any:
                outer.templated.append((key, name))
                return f"of {key}"

        return Values(self.hosts[key])


def fleet(hosts: dict[str, dict[str, Any]]) -> tuple[Fleet, HostVars]:
    hostvars = HostVars(hosts)
    names = list(hosts)
    places = ("ansible_play_hosts", "ansible_play_hosts_all", "ansible_play_batch")
    return Fleet({**dict.fromkeys(places, names), "hostvars": hostvars}), hostvars


def nothing(name: str) -> Any:
    return None


def with_facts(facts: Any, **variables: Any) -> dict[str, Any]:
    return {"ansible_facts": {"whisperx_host": facts}, **variables}


@given(st.dictionaries(st.text(min_size=1, max_size=6), DATA, min_size=1, max_size=3))
def test_facts_are_taken_as_they_are_and_never_templated(facts: dict[str, Any]) -> None:
    play, hostvars = fleet({"a": with_facts(facts), "b": with_facts({"libc": HOSTILE})})
    assert facts_of(play) == {"a": facts, "b": {"libc": HOSTILE}}
    assert hostvars.templated == []


def test_a_host_that_did_not_respond_has_no_part() -> None:
    play, _ = fleet({"a": with_facts(FACTS), "b": {}, "c": with_facts({}), "d": {"ansible_facts": {}}})
    assert list(facts_of(play)) == ["a"]


def test_each_host_asks_for_its_own_and_else_for_what_all_do() -> None:
    play, hostvars = fleet(
        {
            "a": with_facts(FACTS, whisperx_plan_packages={"ctranslate2": ""}),
            "b": with_facts(FACTS, whisperx_plan_device=HOSTILE),
            "c": with_facts(FACTS),
        }
    )
    shared = {"whisperx_plan_packages": {"whisperx": ""}, "whisperx_plan_device": "auto"}
    assert requests_of(play, shared.get) == {
        "packages": {"a": {"ctranslate2": ""}, "b": {"whisperx": ""}, "c": {"whisperx": ""}},
        "device": {"a": "auto", "b": "of b", "c": "auto"},
    }
    # What the inventory says is templated for its host, and nothing else is.
    assert hostvars.templated == [("b", "whisperx_plan_device")]


def test_what_nobody_says_is_left_to_the_option() -> None:
    play, _ = fleet({"a": with_facts(FACTS, whisperx_container_install=True), "b": with_facts(FACTS)})
    assert requests_of(play, nothing) == {"container_install": {"a": True}}


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_that_may_differ_has_a_variable_and_a_default(option: str) -> None:
    assert ARGUMENTS[option]["default"] is not None
    assert VARIABLES[option] in (f"whisperx_plan_{option}", f"whisperx_{option}")
    files = (ROOT / "roles").glob("whisperx_*/meta/argument_specs.yml")
    assert any(f"      {VARIABLES[option]}:\n" in file.read_text() for file in files)


def test_the_roles_defaults_are_those_of_the_options() -> None:
    file = ROOT / "roles" / "whisperx_plan" / "defaults" / "main.yml"
    defaults = yaml.safe_load(file.read_text())
    assert {name: defaults[name] for name in VARIABLES.values() if name in defaults} == {
        name: ARGUMENTS[option]["default"] for option, name in VARIABLES.items() if name in defaults
    }
