"""From sets of releases to specifiers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from module_utils.whisperx_catalogue.catalogue import Package
from module_utils.whisperx_catalogue.release import Release
from module_utils.whisperx_plan.output.constraints import specifier_for, without


def package(*versions: str) -> Package:
    releases = [
        Release("p", text, Version(text), None, None, (), (), {}, index=place, bit=1 << place)
        for place, text in enumerate(versions)
    ]
    return Package("p", tuple(releases))


@pytest.mark.parametrize(
    ("text", "blocked", "expected"),
    [
        (">=2.4,<=2.6.6", ("2.6.2", "2.6.3"), ">=2.4,<=2.6.6,!=2.6.2,!=2.6.3"),
        ("<2.6", ("2.6.2", "2.6.3"), "<2.6"),
        ("==2.6.1", ("2.6.2",), "==2.6.1"),
        (">=2.4,!=2.6.2", ("2.6.2", "2.6.3"), ">=2.4,!=2.6.2,!=2.6.3"),
        ("", ("2.6.3", "2.6.2"), "!=2.6.2,!=2.6.3"),
        ("", (), ""),
    ],
)
def test_blocked_versions_are_named(text: str, blocked: tuple[str, ...], expected: str) -> None:
    assert without(text, blocked) == expected


SOME = package("1.0", "1.1", "1.2", "2.0", "2.1")


@pytest.mark.parametrize(
    ("admitted", "passing", "unknown", "text"),
    [
        (0b11111, 0b11111, "refuse", ">=1.0,<=2.1"),
        (0b11111, 0b11111, "gate", ">=1.0"),
        (0b00110, 0b00110, "refuse", ">=1.1,<2.0"),
        (0b10110, 0b10110, "refuse", ">=1.1,<=2.1,!=2.0"),
        (0b00100, 0b11111, "refuse", "==1.2"),  # the others are kept away by requirements
        (0b00100, 0b00111, "refuse", ">=1.2,<2.0"),  # the host ends the range
        (0b10000, 0b11111, "refuse", "==2.1"),
        (0b10000, 0b11111, "gate", ">=2.1"),
        (0, 0, "refuse", ""),
    ],
)
def test_text(admitted, passing, unknown, text):
    assert specifier_for(SOME, admitted, passing, unknown) == text


def test_a_pre_release_is_named_only_where_it_is_admitted():
    found = package("1.0", "2.0rc1", "2.0")
    assert specifier_for(found, 0b001, 0b001, "refuse") == ">=1.0,<2.0"
    assert specifier_for(found, 0b011, 0b011, "refuse") == ">=1.0,<2.0"
    assert specifier_for(package("1.0", "2.0rc1"), 0b11, 0b11, "refuse") == ">=1.0,<=2.0rc1"


@given(
    st.integers(min_value=1, max_value=0b11111),
    st.integers(max_value=0b11111, min_value=0),
    st.sampled_from(["refuse", "gate"]),
)
def test_exactly_the_admitted_are_admitted(admitted, more, unknown):
    text = SpecifierSet(specifier_for(SOME, admitted, admitted | more, unknown))
    for release in SOME.releases:
        assert text.contains(release.version) is bool(admitted & release.bit)
    assert text.contains("9.9") is (unknown == "gate" and bool(admitted & 0b10000))
