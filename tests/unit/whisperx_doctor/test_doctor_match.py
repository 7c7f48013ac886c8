"""Conditions of a sign, one by one: what holds, what does not, and what is said."""

from __future__ import annotations

from typing import Any

import pytest

from module_utils.whisperx_doctor.match import fact, match
from tests.unit.whisperx_doctor.patients import HOST, patient, symptom
from tools.troubleshooting import knowledge


def row(*signs: dict[str, Any], **other: Any) -> dict[str, Any]:
    known = {"id": "failure.x", "sentence": "It is {what}.", "cure": "Mend it.", "toolkit": [], "when": signs}
    return {**known, "source": "s", "confidence": "measured", **other}


def named(rows: list[dict[str, Any]], sick: Any) -> list[tuple[str, bool]]:
    return [(item.row["id"], item.decides) for item in match(rows, sick)]


@pytest.mark.parametrize(
    ("wanted", "value", "holds"),
    [
        ("absent", None, True),
        ("absent", "absent", True),
        ("absent", "running", False),
        ("present", "running", True),
        ("present", "absent", False),
        ("running|mismatch", "mismatch", True),
        ("<525", "510.47.03", True),
        (">=525", "510.47.03", False),
        (">=525", None, False),
    ],
)
def test_facts(wanted: str, value: str | None, holds: bool) -> None:
    sick = patient(symptom("words"), facts={**HOST, "nvidia_driver": {"state": value}})
    rows = [row({"text": "words", "facts": {"nvidia_driver.state": wanted}})]
    assert bool(match(rows, sick)) is holds


@pytest.mark.parametrize(
    ("wanted", "flags", "holds"),
    [
        ("without avx", ["sse4_1"], True),
        ("without avx", ["avx"], False),
        ("without avx", [], False),
        ("with avx", ["avx"], True),
    ],
)
def test_items_of_a_list(wanted: str, flags: list[str], holds: bool) -> None:
    sick = patient(symptom("words"), facts={"cpu": {"flags": flags}})
    assert bool(match([row({"text": "words", "facts": {"cpu.flags": wanted}})], sick)) is holds


def test_a_field_of_every_record_of_a_list() -> None:
    assert fact({"gpus": [{"cc": "8.0"}, {"cc": "9.0"}, {}]}, "gpus.cc") == ["8.0", "9.0"]


@pytest.mark.parametrize(
    ("wanted", "version", "holds"),
    [
        ("absent", None, True),
        ("present", None, False),
        ("<4.6", "4.4.0", True),
        ("+cpu", "2.8.0+cpu", True),
        ("!+cpu", "2.8.0+cpu", False),
        (["<4.6", "+"], "4.4.0", True),
        (["<4.6", "+"], "4.4.0+noexecstack", False),
    ],
)
def test_packages(wanted: Any, version: str | None, holds: bool) -> None:
    sick = patient(packages={"torch": version} if version else {})
    assert bool(match([row({"packages": {"torch": wanted}})], sick)) is holds


def test_what_is_so_without_a_symptom_is_a_note_unless_it_is_a_hazard() -> None:
    sign = {"packages": {"torch": "present"}}
    sick = patient(packages={"torch": "2.8.0"})
    assert named([row(sign)], sick) == [("failure.x", False)]
    assert named([row(sign, hazard=True)], sick) == [("failure.x", True)]


def test_minor_symptoms_and_rows_that_only_note_decide_nothing() -> None:
    rows = [row({"text": "words"})]
    assert named(rows, patient(symptom("words", minor=True))) == [("failure.x", False)]
    assert named([row({"text": "words"}, note=True)], patient(symptom("words"))) == [("failure.x", False)]


def test_a_generic_row_is_asked_only_about_what_no_other_explains() -> None:
    generic = row({"text": "words"}, id="failure.any", generic=True)
    other = row({"check": "torch"}, id="failure.torch")
    sick = patient(symptom("words", name="import torch"), symptom("words", name="import av"))
    (first, second) = match([generic, other], sick)
    assert (first.row["id"], first.symptoms) == ("failure.torch", (0,))
    assert (second.row["id"], second.symptoms) == ("failure.any", (1,))


def test_a_row_that_only_notes_leaves_the_symptom_to_a_generic_one() -> None:
    note = row({"text": "words"}, id="failure.note", note=True)
    generic = row({"text": "words"}, id="failure.any", generic=True)
    assert named([note, generic], patient(symptom("words"))) == [
        ("failure.any", True),
        ("failure.note", False),
    ]


def test_words_and_the_telling_line_come_from_the_text() -> None:
    text = "Traceback\nImportError: libx.so.1: cannot open\nmore"
    (found,) = match(
        [row({"text": r"(?P<what>lib\w+\.so\.1): cannot"})], patient(symptom(text, where="/a.py:3"))
    )
    assert found.row["sentence"] == "It is libx.so.1."
    assert found.evidence[0].text == "import ctranslate2: ImportError: libx.so.1: cannot open [/a.py:3]"


def test_a_deleted_file_explains_the_error_that_names_it() -> None:
    gone = symptom("libx.so is missing", kind="files", name="missing", where="pkg.libs/libx.so")
    error = symptom("libx.so: cannot open")
    other = symptom("liby.so: cannot open")
    (found,) = match([row({"text": "cannot open", "with": "missing"})], patient(gone, error, other))
    assert found.symptoms == (1,)


def test_findings_of_the_audit_by_rule_and_file() -> None:
    finding = symptom("asks", kind="audit", name="abi.execstack", where="onnxruntime/x.so")
    assert named([row({"audit": "abi.execstack", "where": "onnx"})], patient(finding))
    assert not named([row({"audit": "abi.execstack", "where": "ctranslate2"})], patient(finding))
    assert not named([row({"audit": "abi.glibc"})], patient(finding))
    assert not named([row({"text": "asks"})], patient(finding))
    assert named([row({"text": "asks", "audit": "abi.execstack"})], patient(finding))


@pytest.mark.parametrize(
    "sign",
    [
        {"signal": "SIGILL"},
        {"python": ">=3.13", "text": "w"},
        {"device": "cuda", "text": "w"},
        {"kind": "log"},
    ],
)
def test_other_conditions_hold_or_do_not(sign: dict[str, Any]) -> None:
    assert not match([row(sign)], patient(symptom("words")))
    fit = patient(
        symptom("words", signal="SIGILL", kind=sign.get("kind", "check")), python="3.13.1", device="cuda"
    )
    assert match([row(sign)], fit)


@pytest.mark.parametrize(("family", "name"), [("glibc", "failure.half-copied"), ("musl", "failure.musl")])
def test_compiled_parts_that_are_not_found_have_one_reason_on_each_libc(family: str, name: str) -> None:
    words = "AttributeError: module 'ctranslate2' has no attribute 'get_supported_compute_types'"
    facts = {**HOST, "libc": {"family": family}}
    sick = patient(symptom(words), packages={"ctranslate2": "4.8.5"}, facts=facts)
    assert named(knowledge()["failures"], sick) == [(name, True)]
