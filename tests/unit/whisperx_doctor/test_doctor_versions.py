"""Versions and specifiers of the failure rows agree with PEP 440 as `packaging` has it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from module_utils.whisperx_doctor.versions import admits, key, local

NUMBERS = st.lists(st.integers(0, 30), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
SUFFIX = st.sampled_from(["", "a1", "b2", "rc1", ".dev3", ".post1"])
VERSIONS = st.tuples(NUMBERS, SUFFIX).map("".join)
OPERATORS = st.sampled_from(["<=", ">=", "==", "!="])


@given(VERSIONS, VERSIONS)
def test_the_order_is_that_of_packaging(one: str, other: str) -> None:
    assert (key(one) < key(other)) == (Version(one) < Version(other))


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
