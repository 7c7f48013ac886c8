"""Versions and specifiers agree with PEP 440 as `packaging` has it; numbers are read from anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from module_utils.whisperx_common.names import normalise
from module_utils.whisperx_common.versions import (
    admits,
    dotted,
    key,
    local,
    minor,
    numbers,
    strict_numbers,
)

PARTS = st.lists(st.integers(0, 30), min_size=1, max_size=4)
NUMBERS = PARTS.map(lambda parts: ".".join(map(str, parts)))
SUFFIX = st.sampled_from(["", "a1", "b2", "rc1", ".dev3", ".post1"])
VERSIONS = st.tuples(NUMBERS, SUFFIX).map("".join)
OPERATORS = st.sampled_from(["<=", ">=", "==", "!="])
# What distributions, drivers and kernels put behind their numbers.
TAILS = st.sampled_from(["", "-1ubuntu0.24.04.1", "-9+deb12u3", "~bpo", "rc1", "+cu128", "_1", "-foo.5"])


@given(VERSIONS, VERSIONS)
def test_the_order_is_that_of_packaging(one: str, other: str) -> None:
    assert (key(one) < key(other)) == (Version(one) < Version(other))


@given(PARTS, PARTS)
def test_released_versions_of_one_length_are_ordered_by_their_numbers(
    one: list[int], other: list[int]
) -> None:
    size = min(len(one), len(other))
    left, right = (".".join(map(str, parts[:size])) for parts in (one, other))
    assert (numbers(left) < numbers(right)) == (Version(left) < Version(right))
    assert (numbers(left) == numbers(right)) == (Version(left) == Version(right))


@given(PARTS, TAILS)
def test_what_a_distribution_appends_does_not_count(parts: list[int], tail: str) -> None:
    text = ".".join(map(str, parts))
    assert numbers(text + tail) == tuple(parts)
    assert strict_numbers(text + tail) == tuple(parts)
    assert dotted(tuple(parts)) == text
    assert minor(text + tail) == ".".join(map(str, parts[:2]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("570.124.06", (570, 124, 6)),
        (" 2.41 ", (2, 41)),
        ("3.14.0rc1", (3, 14, 0)),
        ("2.", (2,)),
        ("2..3", (2,)),
        ("", ()),
        ("none", ()),
        (".5", ()),
        ("v1.2", ()),
        ("1234567890.1", ()),
        ("2.1234567890", (2,)),
        ("²", ()),
        ("٣.1", ()),
    ],
)
def test_numbers_of_odd_texts(text: str, expected: tuple[int, ...]) -> None:
    assert numbers(text) == expected


@pytest.mark.parametrize("text", ["", "x", "1.2 3", "1.2.3.4.5.6", "9" * 10, "1.2/3", "²"])
def test_what_is_no_version_as_a_whole(text: str) -> None:
    assert strict_numbers(text) is None


@given(st.text())
def test_any_text_has_numbers(text: str) -> None:
    assert all(0 <= number < 10**9 for number in numbers(text))


@given(st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,20}[A-Za-z0-9])?", fullmatch=True))
def test_names_are_those_of_packaging(name: str) -> None:
    assert normalise(name) == canonicalize_name(name)


@given(OPERATORS, NUMBERS, VERSIONS)
def test_a_clause_admits_what_packaging_admits(operator: str, bound: str, version: str) -> None:
    specifier = operator + bound
    assert admits(specifier, version) == SpecifierSet(specifier).contains(version, prereleases=True)


@pytest.mark.parametrize(
    ("specifier", "version", "expected"),
    [
        ("", "anything", True),
        (">=4.5.0,<4.6.3", "4.6.2", True),
        (">=4.5.0,<4.6.3", "4.6.3", False),
        ("==3.1.*", "3.1.6", True),
        ("==3.1.*", "3.10", False),
        ("!=3.1.*", "3.10", True),
        (">=2.8", "2.8.0+cu128", True),
        ("==2.8.0", "2.8.0+cu128", True),
    ],
)
def test_specifiers(specifier: str, version: str, expected: bool) -> None:
    assert admits(specifier, version) is expected


@pytest.mark.parametrize("specifier", ["4.5", "~=4.5", ">= ", "==x"])
def test_what_is_no_specifier_is_told(specifier: str) -> None:
    with pytest.raises(ValueError, match="no version clause"):
        admits(specifier, "1")


def test_the_local_label() -> None:
    assert (local("2.8.0+cu128"), local("2.8.0")) == ("cu128", "")
