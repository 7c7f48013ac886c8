"""The failure rows: complete, well-formed, and each names what it says it names."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from module_utils.whisperx_doctor.match import match
from module_utils.whisperx_doctor.rows import read
from module_utils.whisperx_problem import Problem
from tests.unit.whisperx_doctor.patients import suited
from tools.troubleshooting import CATALOGUE, knowledge

DOCUMENT = knowledge()
ROWS: list[dict[str, Any]] = DOCUMENT["failures"]
SAYING = [(row["id"], words) for row in ROWS for words in row.get("says", ())]
BY_ID = {row["id"]: row for row in ROWS}
# How many failures of each family were catalogued in the field.
FIELD = {"A": 10, "B": 33, "C": 17, "D": 11, "E": 17, "F": 15}


def test_every_failure_of_the_field_has_a_row() -> None:
    expected = {f"{letter}{number}" for letter, most in FIELD.items() for number in range(1, most + 1)}
    assert {row["field"] for row in ROWS if row.get("field")} == expected


def test_the_threshold_is_that_of_the_planner() -> None:
    rules = yaml.safe_load((CATALOGUE / "rules.yml").read_text())["rules"]
    (rule,) = (row for row in rules if row["id"] == "libc.execstack")
    assert DOCUMENT["execstack_refused_from"] == rule["thresholds"]["glibc"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
class TestRow:
    def test_is_written_like_the_others(self, row: dict[str, Any]) -> None:
        assert re.fullmatch(r"failure\.[a-z0-9-]+", row["id"])
        assert row["confidence"] in ("measured", "documented", "reported", "hypothesis")
        assert row["source"] and row["cure"].endswith(".") and row["sentence"].endswith((".", "}."))
        known = {"id", "field", "sentence", "says", "when", "cure", "toolkit", "source", "confidence"}
        assert set(row) - known <= {"generic", "note", "hazard"}

    def test_fills_every_word_of_its_sentence(self, row: dict[str, Any]) -> None:
        words = set(re.findall(r"\{(\w+)\}", row["sentence"] + row["cure"])) - {"check", "signal"}
        for sign in row["when"]:
            expressions = "".join(str(sign.get(name, "")) for name in ("text", "where", "check"))
            if words and set(sign) & {"text", "where", "check"}:
                assert words == set(re.findall(r"\?P<(\w+)>", expressions))


@pytest.mark.parametrize(("name", "words"), SAYING, ids=[f"{name}-{n}" for n, (name, _) in enumerate(SAYING)])
def test_a_row_is_named_by_the_words_in_which_it_shows(name: str, words: str) -> None:
    row = BY_ID[name]
    signs = [sign for sign in row["when"] if "text" in sign and re.search(sign["text"], words)]
    assert signs, "no sign of the row knows these words"
    found = match(ROWS, suited(signs[0], words))
    named = [item.row["id"] for item in found if item.symptoms]
    assert name in named
    # Other rows may know the same words where they ask for other facts; decisive ones must not compete.
    decisive = [item.row["id"] for item in found if item.decides and item.symptoms]
    assert set(decisive) <= {name}, decisive
    assert all("{" not in item.row["sentence"] for item in found)
    assert any(words.strip()[:40] in line.text for item in found for line in item.evidence)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"when": []}, "no sign"),
        ({"when": [{"txt": "x"}]}, "no condition is called txt"),
        ({"when": [{"text": "("}]}, "unterminated"),
        ({"when": [{"packages": {"torch": "2.8"}}]}, "no version clause"),
        ({"when": [{"facts": {"libc.version": ">= x"}}], "toolkit": ["magic"]}, "no action is called magic"),
        ({"when": [{"files": "gone"}]}, "one of missing"),
        ({"when": ["text"]}, "a sign is a mapping"),
    ],
)
def test_a_malformed_row_is_told(change: dict[str, Any], complaint: str) -> None:
    broken = {**DOCUMENT, "failures": [{**ROWS[0], **change}]}
    with pytest.raises(Problem) as caught:
        read(broken)
    assert caught.value.rule == "doctor.rows"
    assert complaint in caught.value.sentence() and ROWS[0]["id"] in caught.value.where


@pytest.mark.parametrize("lacking", ["failures", "actions", "packages", "execstack_refused_from"])
def test_a_document_that_lacks_something_is_told(lacking: str) -> None:
    with pytest.raises(Problem, match="missing"):
        read({name: value for name, value in DOCUMENT.items() if name != lacking})


def test_an_id_twice_is_told() -> None:
    with pytest.raises(Problem) as caught:
        read({**DOCUMENT, "failures": [ROWS[0], ROWS[0]]})
    assert "twice" in caught.value.found


def test_every_rule_of_the_audit_that_is_a_finding_has_a_row() -> None:
    """What the audit finds in a tree that cannot be run is all there is to go by."""
    folder = CATALOGUE.parents[3] / "module_utils/whisperx_abi"
    raised = set()
    for path in folder.glob("*.py"):
        raised |= set(re.findall(r'Finding\(\s*"(abi\.[a-z]+)"', path.read_text()))
    known = {sign["audit"] for row in ROWS for sign in row["when"] if "audit" in sign}
    # The last two are only ever notes.
    assert raised - known <= {"abi.optional", "abi.preload"}
