"""Facts of the wrong type at every branch and leaf: the host is refused, with the field, and no other is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from module_utils.whisperx_plan.decide import decide
from module_utils.whisperx_plan.layout import complaints
from module_utils.whisperx_plan.model import Request
from tests.unit.whisperx_catalogue.knowledge import catalogue
from tests.unit.whisperx_plan.hosts import facts

ROOT = Path(__file__).resolve().parents[3]
OPTIONS = yaml.safe_load((ROOT / "roles/whisperx_host/meta/argument_specs.yml").read_text())
LAYOUT: dict[str, Any] = OPTIONS["argument_specs"]["main"]["options"]["whisperx_host_assume"]
REQUEST = Request(packages={"ctranslate2": ""})
RIGHT = {"str": "1.2", "path": "/x", "int": 3, "bool": True, "raw": "x"}
WRONG: dict[str, list[Any]] = {
    "str": [[], {}, ["x"], 1.5, True],
    "path": [[], {"a": 1}, 0.5],
    "int": ["x", [], {}, -1, True, 1.5],
    "bool": ["maybe", "true", 1, [], {}],
    "list": [3, "x", {}, {"a": 1}, True],
    "dict": [3, "x", [], ["x"], True],
}


def example(entry: Mapping[str, Any], inner: bool = False) -> Any:
    """Return a value that is in order for an entry of the layout, with everything in it."""
    kind = entry.get("elements" if inner else "type", "str")
    if entry.get("choices"):
        return entry["choices"][0]
    if kind == "list":
        return [example(entry, inner=True)]
    if kind == "dict":
        return {name: example(below) for name, below in (entry.get("options") or {}).items()}
    return RIGHT[kind]


def places(entry: Mapping[str, Any], path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Yield every place below an entry, and its kind."""
    kind = entry.get("type", "str")
    yield path, kind
    if kind == "list":
        yield (*path, 0), entry["elements"]
        path = (*path, 0)
    for name, below in (entry.get("options") or {}).items():
        yield from places(below, (*path, name))


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = list(value) if isinstance(value, list) else dict(value)
    copy[path[0]] = put(copy[path[0]], path[1:], new)
    return copy


WHOLE = {**example(LAYOUT), "selinux": "enforcing"}
PLACES = [(path, kind) for path, kind in places(LAYOUT) if path]


def field(path: tuple[Any, ...]) -> str:
    words = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "whisperx_host_assume" + words


def test_a_whole_description_is_in_order() -> None:
    assert complaints(LAYOUT, "whisperx_host_assume", WHOLE) == []
    assert len(PLACES) > 60
    for path, _kind in PLACES:
        if isinstance(path[-1], str) and len(path) == 1:
            assert complaints(LAYOUT, "x", put(WHOLE, path, None)) == [], "null is absent"


@pytest.mark.parametrize(("path", "kind"), PLACES, ids=[field(path) for path, _ in PLACES])
def test_a_wrong_type_is_named_at_every_place(path: tuple[Any, ...], kind: str) -> None:
    for wrong in WRONG[kind]:
        said = complaints(LAYOUT, "whisperx_host_assume", put(WHOLE, path, wrong))
        assert len(said) == 1 and said[0].startswith(field(path) + " is "), (wrong, said)


@pytest.mark.parametrize(("path", "kind"), PLACES, ids=[field(path) for path, _ in PLACES])
def test_its_host_is_refused_and_no_other(path: tuple[Any, ...], kind: str) -> None:
    wrong = WRONG[kind][0]
    broken = put(WHOLE, path, wrong)
    said = "; ".join(complaints(LAYOUT, "whisperx_host_assume", broken))
    found = decide({"good": facts(), "bad": {**broken, "malformed": said}}, REQUEST, catalogue())
    assert found.hosts["good"]["verdict"] == "plan"
    assert found.hosts["bad"]["verdict"] == "refused"
    (reason,) = found.hosts["bad"]["reasons"]
    assert reason["rule"] == "facts.malformed"
    assert str(next(part for part in path if isinstance(part, str))) in reason["sentence"]


@pytest.mark.parametrize("wrong", [[], [1], "x", 3, True])
def test_facts_that_are_no_mapping_refuse_their_host(wrong: Any) -> None:
    found = decide({"good": facts(), "bad": wrong}, REQUEST, catalogue())
    assert [found.hosts[name]["verdict"] for name in ("good", "bad")] == ["plan", "refused"]
    assert found.hosts["bad"]["reasons"][0]["rule"] == "facts.malformed"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"glibc": "2.41"}, "'glibc', which is none of"),
        ({"gpus": [{"compute_capabilty": "9.0"}]}, "gpus[0] has 'compute_capabilty', which is none of"),
        ({"nvidia_driver": {"state": "fine"}}, "not one of running, absent, mismatch, unusable"),
        ({"pythons": [{"path": "/x"}]}, "pythons[0] is missing its version"),
        ({1: 2}, "has 1, which is none of"),
    ],
)
def test_unknown_and_missing_names(given: dict[Any, Any], words: str) -> None:
    (said,) = complaints(LAYOUT, "whisperx_host_assume", given)
    assert words in said
