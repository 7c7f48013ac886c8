"""State files with any value at any place: every run works or says what is wrong, and the next one heals."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from module_utils.whisperx_common import records
from module_utils.whisperx_release.records import RELEASE
from tests.attack.strength import amount
from tests.unit.whisperx_release.release_hosts import HOSTS, Host
from tests.unit.whisperx_release.spoiled_hosts import Template, attempt, look

ODD = st.sampled_from(
    ["", "\0", "a\0b", "\ud800", "../..", "/", "/etc", "..", ".", "a/b", "-x", "x" * 5000, "9" * 5000, "1.²"]
)
# What is no JSON, or is too much of it.
BYTES = st.sampled_from([b"[" * 100_000, b'{"a":' * 50_000, b"1" * 6000, b"NaN"]) | st.binary(max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | ODD | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | ODD, inner, max_size=3),
    max_leaves=6,
)
DEEDS = ["1.0", "2.0", "3.0", "rolled_back", "absent"]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every part of a JSON value, itself included."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for number in range(len(value)):
            yield from places(value[number], (*path, number))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a value with one part replaced."""
    if not path:
        return new
    if isinstance(value, list):
        return [replaced(item, path[1:], new) if n == path[0] else item for n, item in enumerate(value)]
    return {key: replaced(item, path[1:], new) if key == path[0] else item for key, item in value.items()}


def state_files(host: Host) -> list[Path]:
    """Return every file with a JSON object that a run reads."""
    releases = [host.root / "releases" / name for name in host.releases()]
    files = [directory / name for directory in releases for name in ("release.json", "manifest.json")]
    files += [Path(host.layout.marker), Path(host.layout.fact)]
    return [path for path in files if path.exists()]


@pytest.fixture(scope="module", params=sorted(HOSTS))
def template(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Template:
    return Template(HOSTS[request.param](tmp_path_factory.mktemp("host")))


@settings(max_examples=amount(10, 100), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_value_anywhere(template: Template, data: st.DataObject) -> None:
    host = template.restore()
    file = data.draw(st.sampled_from(state_files(host)))
    value = json.loads(file.read_text(encoding="utf-8"))
    path = data.draw(st.sampled_from(list(places(value))))
    file.write_text(json.dumps(replaced(value, path, data.draw(VALUES))), encoding="utf-8")
    deed = data.draw(st.sampled_from(DEEDS))
    look(host)
    predicted = attempt(host, deed, check=True)
    done = attempt(host, deed)
    assert (predicted is None) == (done is None)
    assert predicted is None or predicted.actions == (done and done.actions)
    # Whatever came of it: what is wanted can be had, and everything can be removed.
    assert attempt(host, "3.0") is not None
    host.whole("3.0")
    assert attempt(host, "absent") is not None
    assert not os.path.lexists(host.layout.root)


@settings(max_examples=amount(6, 50), deadline=None, suppress_health_check=list(HealthCheck))
@given(text=BYTES, data=st.data())
def test_any_bytes(template: Template, text: bytes, data: st.DataObject) -> None:
    host = template.restore()
    data.draw(st.sampled_from(state_files(host))).write_bytes(text)
    look(host)
    attempt(host, data.draw(st.sampled_from(DEEDS)))
    assert attempt(host, "3.0") is not None
    host.whole("3.0")
    assert attempt(host, "absent") is not None


@pytest.mark.parametrize("note", [{"to": "x"}, {"to": 5}, {"to": None}, [], {"from": {}, "to": ["a"]}])
def test_notes_of_a_rollback_by_older_releases(template: Template, note: Any) -> None:
    host = template.restore()
    Path(host.layout.rolled_back).write_text(json.dumps(note), encoding="utf-8")
    host.rolled_back()
    assert host.current() == "1.0"


def test_the_note_of_an_older_release_counts(template: Template) -> None:
    host = template.restore()
    active = os.path.basename(os.path.realpath(host.layout.current))
    note = {"from": "other", "to": active, "at": "2026-01-01T00:00:00Z"}
    Path(host.layout.rolled_back).write_text(json.dumps(note), encoding="utf-8")
    host.rolled_back()
    assert host.current() == "2.0"


class TestReader:
    @pytest.mark.parametrize(
        ("check", "good", "bad"),
        [
            (records.text, ["", "a", "ü"], ["\0", "\ud800", 1, None, [], b""]),
            (records.identifier, ["a", "a-1.0+cu", "_a"], ["", ".", "..", "a/b", "-a", "a\n", "x" * 256, 1]),
            (records.version, ["", "2.41", "570.124.06", "1.0+cpu"], ["1 0", "1\n", "9" * 65, "²", 1, None]),
            (records.whole, [0, -1, 10**400], [True, 1.0, "1"]),
            (records.number, [0, 1.5], [True, float("nan"), float("inf"), "1"]),
            (records.flag, [True, False], [0, 1, "true"]),
            (records.one_of("a", "b"), ["a"], ["c", ["a"], None]),
            (records.each(records.text), [[], ["a"]], [["a", 1], "ab", {"a": 1}]),
            (records.table(records.text), [{}, {"a": "b"}], [{"a": 1}, {"\0": "a"}, ["a"]]),
        ],
    )
    def test_checks(self, check: records.Check, good: list[Any], bad: list[Any]) -> None:
        assert [value for value in good if not check(value)] == []
        assert [value for value in bad if check(value)] == []

    def test_a_required_field_is_required_and_null_is_not_said(self) -> None:
        schema = records.Schema({"a": records.text, "b": records.whole}, frozenset("a"))
        assert records.checked({"a": "x", "b": None, "c": object}, schema) is not None
        for value in ({"b": 1}, {"a": None}, {"a": 1}, {"a": "x", "b": "1"}, [], None, "a"):
            assert records.checked(value, schema) is None

    @given(value=VALUES)
    def test_whatever_it_is_the_reader_answers(self, value: Any) -> None:
        assert records.checked(value, RELEASE) in (None, value)
