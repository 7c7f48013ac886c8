"""Further packages in a plan: what may be asked for, what the catalogue says to it, when they are locked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from module_utils.whisperx_common.extras import Extra, write
from module_utils.whisperx_common.lockfile import Lock, LockedPackage, render
from module_utils.whisperx_plan.decide import decide
from module_utils.whisperx_plan.extras import checked, lines
from module_utils.whisperx_plan.model import Plan, Request
from module_utils.whisperx_plan.output.document import details, merged, table
from module_utils.whisperx_plan.output.locked import with_locked
from module_utils.whisperx_plan.requests import requests_by_host
from module_utils.whisperx_problem import Problem
from tests.unit.whisperx_catalogue.knowledge import catalogue
from tests.unit.whisperx_plan.hosts import facts

HOSTS = {"a": facts(), "b": facts()}


def planned(extras: Any, packages: dict[str, str] | None = None) -> dict[str, Any]:
    request = Request.make(packages or {"ctranslate2": ""}, extras=extras)
    return dict(decide(HOSTS, request, catalogue()).hosts["a"])


@pytest.mark.parametrize(
    ("extras", "rule"),
    [
        (["nltk"], "request.extras"),
        ("nltk", "request.extras"),
        ({3: ""}, "request.extras"),
        ({"": ""}, "request.extras"),
        ({"a_b": "", "A-B": ""}, "request.extras"),
        ({"-r": "/etc/shadow"}, "request.extras"),
        ({"--index-url": ""}, "request.extras"),
        ({"-e .": ""}, "request.extras"),
        ({"nltk @ https://example.org/nltk.whl": ""}, "request.extras"),
        ({"https://example.org/nltk.whl": ""}, "request.extras"),
        ({"../nltk": ""}, "request.extras"),
        ({"uvicorn[standard]": ""}, "request.extras"),
        ({"nltk\n--pre": ""}, "request.extras"),
        ({"nltk; python_version < '4'": ""}, "request.extras"),
        ({"nłtk": ""}, "request.extras"),
        ({"nltk": "3.9"}, "request.malformed-specifier"),
        ({"nltk": 3.9}, "request.malformed-specifier"),
        ({"nltk": ["3.9"]}, "request.malformed-specifier"),
        ({"nltk": ">=3.9; python_version < '4'"}, "request.malformed-specifier"),
        ({"nltk": ">=3.9 --hash=sha256:00"}, "request.malformed-specifier"),
        ({"nltk": "@ https://example.org/nltk.whl"}, "request.malformed-specifier"),
        ({"nltk": "===3.9"}, "request.malformed-specifier"),
        ({"nltk": ">=3.9\n-r /etc/shadow"}, "request.malformed-specifier"),
        ({"nltk": "," * 1000}, "request.malformed-specifier"),
    ],
)
def test_what_is_no_name_or_no_version_is_refused(extras: Any, rule: str) -> None:
    with pytest.raises(Problem) as caught:
        Request.make({"ctranslate2": ""}, extras=extras)
    assert (caught.value.rule, caught.value.where) == (rule, "whisperx_plan_extras")
    assert "\n" not in caught.value.sentence()


_TEXTS = st.text(st.sampled_from("abz09.-_ \n@;#[]<>=!~,*+/\\'\"r") | st.characters(), max_size=20)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(_TEXTS, _TEXTS, max_size=3))
def test_a_value_that_passes_is_a_plain_requirement_and_nothing_else(extras: dict[str, str]) -> None:
    try:
        found = checked(extras)
    except Problem as problem:
        assert problem.rule in ("request.extras", "request.malformed-specifier")
        return
    for line, (name, text) in zip(lines(found), found.items(), strict=True):
        requirement = Requirement(line)
        assert (requirement.name, requirement.specifier) == (name, SpecifierSet(text))
        assert not (requirement.marker or requirement.url or requirement.extras)
        assert line.isascii() and not set(line) & set(" \n\r\t#@;-" if line[0] == "-" else " \n\r\t#@;")
    assert checked(found) == found


def test_extras_are_part_of_the_plan_and_of_the_class() -> None:
    plan = planned({"Nltk": ">=3.9", "wyoming_faster-whisper": None})
    assert plan["extras"] == {"nltk": ">=3.9", "wyoming-faster-whisper": ""}
    assert plan["requirements"][-2:] == ["nltk>=3.9", "wyoming-faster-whisper"]
    assert "nltk" not in plan["pins"]
    without = planned({})
    assert without["extras"] == {} and without["amendments"] == []
    assert len({plan["class"], without["class"], planned({"nltk": ">=3.8"})["class"]}) == 3
    assert json.loads(json.dumps(Plan.from_record(plan).record())) == json.loads(json.dumps(plan))


def test_extras_may_not_bring_a_catalogued_version_that_fails_here() -> None:
    """Every package of the catalogue has a bound, which no version that the host's rules refuse is in."""
    plan = planned({"nltk": ""})
    assert set(plan["constraints"]) >= set(catalogue().packages)
    assert not SpecifierSet(plan["constraints"]["ctranslate2"]).contains("4.4.0")
    old = facts("2.17", ("3.9.1",), ("centos", "7"))
    found = decide({"a": old}, Request.make({"ctranslate2": ""}, extras={"nltk": ""}), catalogue())
    for name, text in found.hosts["a"].get("constraints", {}).items():
        SpecifierSet(text)
        assert text or name not in catalogue().packages
    assert {row["package"] for row in plan["amendments"]} >= {"faster-whisper"}


def test_a_package_of_the_catalogue_is_no_extra_and_the_host_alone_is_refused() -> None:
    plan = planned({"torch": ">=2.5", "nltk": ""})
    assert plan["verdict"] == "refused"
    assert [reason["rule"] for reason in plan["reasons"]] == ["request.extra-catalogued"]
    assert "whisperx_plan_packages" in plan["reasons"][0]["sentence"]
    assert '{torch: ">=2.5"}' in plan["remedies"][0]["sentence"]


@pytest.mark.parametrize("runtime", ["venv", "container", "auto"])
def test_an_unknown_package_refuses_its_host_alone(runtime: str) -> None:
    base = Request.make({"ctranslate2": ""}, runtime=runtime).record()
    found: dict[str, Any] = {}
    for request, names in requests_by_host(HOSTS, base, {"packages": {"b": {"nltk": "", "whisper-x": ""}}}):
        found.update(decide({name: HOSTS[name] for name in names}, request, catalogue()).hosts)
    assert found["b"]["verdict"] == "refused"
    assert {reason["rule"] for reason in found["b"]["reasons"]} == {"request.unknown-package"}
    assert all("use whisperx_plan_extras" in reason["sentence"] for reason in found["b"]["reasons"])
    assert "Did you mean whisperx" in found["b"]["reasons"][1]["sentence"]
    if runtime != "container":
        assert found["a"]["verdict"] == "plan"


@pytest.mark.parametrize("requests", [({"nltk": "", "foo": ""},), ({"nltk": ""}, {"foo": ""})])
def test_the_known_names_are_printed_once(requests: tuple[dict[str, str], ...]) -> None:
    """Whatever the hosts misspell, and however many of them."""
    decision = merged(
        [
            decide(
                {f"{name}{number}": facts for name, facts in HOSTS.items()}, Request.make(asked), catalogue()
            )
            for number, asked in enumerate(requests)
        ]
    )
    text = "\n".join([*table(decision), *details(decision)])
    for name in ("nvidia-cusparselt-cu13", "pyannote-audio"):
        assert text.count(name) == 1, name


def test_pins_cover_the_extras_that_are_locked(tmp_path: Path) -> None:
    decision = decide(HOSTS, Request.make({"ctranslate2": ""}, extras={"nltk": ">=3.9"}), catalogue())
    (identity,) = decision.classes

    def pins(text: str) -> dict[str, str]:
        (tmp_path / f"{identity}.txt").write_text(text)
        found = with_locked(decision, str(tmp_path))
        assert found.classes == decision.classes
        return dict(found.hosts["b"]["pins"])

    header = dict.fromkeys(("class", "platform", "python", "device", "uv"), "x")
    header |= {"whisperx-fleet-lock": "1", "request": "{}"}
    package = LockedPackage("nltk", "3.9.2", "0" * 64, "nltk-3.9.2-py3-none-any.whl", 1, "index")
    own = write([Extra("nltk", ">=3.9", ("nltk",))])
    assert pins(render(Lock({**header, "extras": own}, (package,))))["nltk"] == "3.9.2"
    other = write([Extra("nltk", ">=3.8", ("nltk",))])
    for text in (
        render(Lock({**header, "extras": other}, (package,))),
        render(Lock(header, (package,))),
        "x",
    ):
        assert "nltk" not in pins(text)
    assert "nltk" not in with_locked(decision, str(tmp_path / "none")).hosts["a"]["pins"]
