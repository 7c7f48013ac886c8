"""Hosts that are alike at a glance are equal when they are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from module_utils.whisperx_plan import decide as decide_module
from module_utils.whisperx_plan.alike import DECIDING, GPU_FACTS, key_of
from module_utils.whisperx_plan.decide import decide
from module_utils.whisperx_plan.host import Host
from module_utils.whisperx_plan.model import Request
from module_utils.whisperx_problem import Problem
from tests.unit.whisperx_catalogue.knowledge import catalogue
from tests.unit.whisperx_plan.hosts import facts, with_gpu

FLAGS = frozenset({"avx", "sse4_1"})
FULL = {
    **with_gpu(facts(), "9.0", ("535.183.01", "12.2")),
    "ffmpeg": {"libavutil": [59], "path": "/usr/bin/ffmpeg"},
    "container_engines": [{"name": "podman", "cdi": ["nvidia.com/gpu"]}],
    "wsl": False,
    "selinux": "permissive",
}
# Values that compare equal although they are read differently, and such as are read not at all.
ODD = st.sampled_from(
    [None, True, 1, 1.0, "1", "", "x", [], {}, [1], ["1"], {"version": "1"}, 0, False, "9.0"]
)
PLACES = [
    *((name,) for name in (*DECIDING, "cpu", "gpus", "kernel")),
    ("cpu", "flags"),
    *(("gpus", 0, name) for name in (*GPU_FACTS, "uuid", "memory_mib")),
    *(("pythons", 0, name) for name in ("path", "version", "shared", "distutils", "weakness")),
    *(("nvidia_driver", name) for name in ("version", "cuda", "state", "open", "detail")),
    *(("libc", name) for name in ("family", "version")),
]


def changed(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    """Return a value with another one at a place."""
    first, *rest = place
    if isinstance(value, list):
        return [changed(value[0], tuple(rest), new) if rest else new, *value[1:]] if value else value
    if not isinstance(value, Mapping):
        return value
    return {**value, first: changed(value.get(first), tuple(rest), new) if rest else new}


def read(found: Any) -> Host | None:
    try:
        return Host.from_facts("h", found, FLAGS)
    except Problem:
        return None


edits = st.lists(st.tuples(st.sampled_from(PLACES), ODD), max_size=2)


@settings(max_examples=500, deadline=None)
@given(edits, edits)
def test_hosts_of_one_key_are_read_alike(left: list[Any], right: list[Any]) -> None:
    one, other = FULL, FULL
    for place, new in left:
        one = changed(one, place, new)
    for place, new in right:
        other = changed(other, place, new)
    key = key_of(one, FLAGS)
    if key is not None and key == key_of(other, FLAGS):
        assert read(one) == read(other)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("one", "other"), [(True, 1), (1, 1.0), (1, "1"), ("", None), ([], None)])
def test_equal_values_of_other_kinds_are_told_apart(place: tuple[Any, ...], one: Any, other: Any) -> None:
    left, right = changed(FULL, place, one), changed(FULL, place, other)
    if key_of(left, FLAGS) is not None and key_of(left, FLAGS) == key_of(right, FLAGS):
        assert read(left) == read(right)


@pytest.mark.parametrize(
    "other",
    [
        {**FULL, "kernel": {"release": "6.1.7"}},
        {**FULL, "cpu": {"flags": ["avx2", "x7", "avx", "sse4_1"]}},
        changed(changed(FULL, ("gpus", 0, "uuid"), "GPU-7"), ("gpus", 0, "memory_mib"), 81559),
    ],
)
def test_what_decides_nothing_is_not_in_the_key(other: dict[str, Any]) -> None:
    assert key_of(other, FLAGS) == key_of(FULL, FLAGS) is not None


class Noted(Mapping[str, Any]):
    """Facts that note which of them are read."""

    def __init__(self, values: Mapping[str, Any], read: set[str]) -> None:
        self.values_, self.read = values, read

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return self.values_[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


def test_every_fact_that_is_read_is_in_the_key() -> None:
    top: set[str] = set()
    gpu: set[str] = set()
    noted = Noted({**FULL, "gpus": [Noted(FULL["gpus"][0], gpu)]}, top)
    Host.from_facts("h", noted, FLAGS)
    assert top == {*DECIDING, "cpu", "gpus"}
    assert gpu == set(GPU_FACTS)


def test_a_host_like_one_before_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    read_hosts: list[str] = []
    original = Host.from_facts

    def counted(name: str, *rest: Any) -> Host:
        read_hosts.append(name)
        return original(name, *rest)

    monkeypatch.setattr(decide_module.Host, "from_facts", counted)
    fleet = {f"h{number}": {**FULL, "kernel": {"release": str(number)}} for number in range(20)}
    fleet["other"] = {**FULL, "libc": {"family": "glibc", "version": "2.36"}}
    fleet["broken"] = {**FULL, "machine": 3.5}
    decision = decide(fleet, Request.make({"ctranslate2": ""}), catalogue())
    assert read_hosts == ["h0", "other", "broken"]
    assert all(decision.hosts[f"h{number}"] is decision.hosts["h0"] for number in range(20))
    assert decision.hosts["broken"]["verdict"] == "refused"


@pytest.mark.parametrize("odd", [3, "text", [], None, {"gpus": 7}, {"gpus": ["x"]}, {"cpu": {"flags": [1]}}])
def test_odd_facts_have_no_key_or_one_of_their_own(odd: Any) -> None:
    assert key_of(odd, FLAGS) is None
