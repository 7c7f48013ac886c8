"""Joining what many hosts have in their variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from module_utils.whisperx_fleet.variables import Fleet, at, has_template

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


class Templated(Mapping[str, Any]):
    """A host's variables as hostvars has them: each is templated when it is asked for, which is counted."""

    def __init__(self, raw: dict[str, Any], asked: list[str]) -> None:
        self.raw, self.asked = raw, asked

    def __getitem__(self, name: str) -> Any:
        self.asked.append(name)
        return f"templated {self.raw[name]}"

    def __iter__(self) -> Any:
        return iter(self.raw)

    def __len__(self) -> int:
        return len(self.raw)


class HostVars:
    """Hostvars that note what is asked of them."""

    def __init__(self, hosts: dict[str, dict[str, Any]]) -> None:
        self.hosts = hosts
        self.fetched: list[str] = []
        self.templated: list[str] = []

    def raw_get(self, host_name: str) -> Any:
        self.fetched.append(host_name)
        return self.hosts[host_name]

    def __getitem__(self, key: str) -> Templated:
        return Templated(self.hosts[key], self.templated)


def fleet(hosts: dict[str, dict[str, Any]], **variables: Any) -> tuple[Fleet, HostVars]:
    """Return a fleet of these hosts, and its hostvars."""
    hostvars = HostVars(hosts)
    names = list(hosts)
    given_here = {"ansible_play_hosts": names, "ansible_play_hosts_all": names, "ansible_play_batch": names}
    return Fleet({**given_here, "hostvars": hostvars, **variables}), hostvars


def test_results_of_hosts_are_joined_and_those_without_left_out() -> None:
    joined, _ = fleet({"a": {"r": {"actions": ["x"]}}, "b": {"r": {"skipped": True}}, "c": {}})
    assert joined.recorded("r.actions") == {"a": ["x"]}
    assert joined.recorded("r.skipped", ["b", "c"]) == {"b": True}


@given(st.dictionaries(st.sampled_from("abc"), JSON), st.sampled_from(["{{ 1 }}", "{% x %}", "{# x #}"]))
def test_what_a_host_sent_is_never_templated(values: dict[str, Any], template: str) -> None:
    joined, hostvars = fleet(
        {name: {"result": {"said": [value, template]}} for name, value in values.items()}
    )
    assert joined.recorded("result.said") == {name: [value, template] for name, value in values.items()}
    assert hostvars.templated == []


def test_of_the_inventory_only_what_is_asked_for_is_templated_and_hosts_are_fetched_once() -> None:
    joined, hostvars = fleet({"a": {"root": "/opt", "x": "{{ y }}"}, "b": {"root": "{{ x }}"}, "c": {}})
    assert joined.setting("root", "/") == {"a": "/opt", "b": "templated {{ x }}", "c": "/"}
    assert joined.setting("root", "/", ["c"]) == {"c": "/"}
    assert hostvars.templated == ["root"]
    assert hostvars.fetched == ["a", "b", "c"]


def test_hosts_that_dropped_out_are_among_all() -> None:
    joined, _ = fleet({"a": {"r": 1}, "b": {"r": 2}}, ansible_play_hosts=["b"])
    assert joined.recorded("r") == {"a": 1, "b": 2}
    assert joined.setting("r", 0) == {"b": 2}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", False),
        ({"a": ["{{ b }}"]}, True),
        ({"{{ a }}": 1}, True),
        ([1, 2.5, None, True, "x"], False),
        ((1, "{% if a %}"), True),
        (object(), True),
    ],
)
def test_a_template_is_found_wherever_it_is(value: Any, expected: bool) -> None:
    assert has_template(value) is expected


def test_a_path_ends_where_there_is_no_mapping() -> None:
    assert at({"a": {"b": [1]}}, ["a", "b"]) == [1]
    assert at({"a": {"b": [1]}}, ["a", "b", "c"]) is None
    assert at({"a": None}, ["a", "b"]) is None
