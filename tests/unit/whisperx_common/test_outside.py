"""What a host says is marked in whatever Ansible reads, and names that cannot be marked are left out."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from module_utils.whisperx_common.outside import DEEPEST, described, inventory, is_field, is_host

TEMPLATE = "{{ lookup('pipe', 'touch /tmp/x') }}"
MARKS = ["__ansible_unsafe", "__ansible_vault", "__ansible_type", "__ansible_anything"]
# Keys as hosts have them, and as they should not: templates, marks, control characters, paths.
KEYS = st.one_of(
    st.sampled_from(["os", "libc", "gpus", "version", "pythons./usr/bin/python3.13", TEMPLATE, *MARKS]),
    st.text(max_size=12),
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.sampled_from([TEMPLATE, "{% if 1 %}", "{# #}", "!unsafe x", "!vault |", "$ANSIBLE_VAULT;1.1;AES256"]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=20,
)


def free(value: Any) -> list[str]:
    """Return every string that Ansible would take for a template, keys included."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for inner in value for text in free(inner)]
    if isinstance(value, dict):
        if set(value) == {"__ansible_unsafe"} and isinstance(value["__ansible_unsafe"], str):
            return []
        return [*value, *(text for inner in value.values() for text in free(inner))]
    return []


def plain(value: Any) -> Any:
    """Return the value as Ansible reads it: without the marks."""
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, dict):
        if set(value) == {"__ansible_unsafe"}:
            return value["__ansible_unsafe"]
        return {key: plain(inner) for key, inner in value.items()}
    return value


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_no_free_string_of_a_host_is_left(facts: dict[str, Any]) -> None:
    known, _told = described("one", facts)
    known = json.loads(json.dumps(known))
    assert known["whisperx_host_source"] == "assume"
    for text in free(known["whisperx_host_assume"]):
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_./+~@:-]*", text), text


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), VALUES, max_size=4))
def test_facts_with_good_names_come_back_as_they_were(facts: dict[str, Any]) -> None:
    known, told = described("one", facts)
    if not told:
        assert plain(json.loads(json.dumps(known["whisperx_host_assume"]))) == facts


@given(st.dictionaries(st.one_of(st.sampled_from(["one", "a b", TEMPLATE, "a[1:3]"]), st.text()), VALUES))
def test_every_host_is_there_or_named_among_those_left_out(hosts: dict[str, Any]) -> None:
    known, told = inventory(hosts)
    assert all(is_host(name) for name in known)
    assert len(told) >= len(hosts) - len(known)
    assert not [line for line in told if not line.isprintable()]


def test_a_mark_that_a_host_made_itself_is_no_field() -> None:
    for mark in MARKS:
        assert not is_field(mark)
        known, told = described("one", {"os": {"id": {mark: TEMPLATE}}})
        assert known["whisperx_host_assume"] == {"os": {"id": {}}}
        assert told == [f"'one': left out the field '{mark}' in os.id: no name of a fact"]


def test_facts_that_are_none_or_too_deep_end_in_a_sentence() -> None:
    deep: Any = "x"
    for _ in range(DEEPEST + 5):
        deep = [deep]
    for facts in (deep, {"os": deep}, "text", None, 7):
        known, told = described("one", facts)
        assert told and isinstance(known["whisperx_host_assume"], dict)
