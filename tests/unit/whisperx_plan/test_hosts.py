"""Golden hosts: a fixture per host, its file name is the answer (tests/fixtures/hosts/README.md)."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet

from module_utils.whisperx_plan.decide import decide
from module_utils.whisperx_plan.model import Request
from tests.unit.whisperx_catalogue.knowledge import catalogue

HOSTS = sorted((Path(__file__).resolve().parents[2] / "fixtures" / "hosts").glob("*.json"))
NOTED = re.compile(r" \[([a-z]+\.[a-z-]+)\]$")
PINNED = re.compile(r"([a-z][a-z0-9-]*[a-z0-9])-(\d[\w.]*)")


@pytest.fixture(scope="module", params=HOSTS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    """Each host in turn: the tests of one stand together and share its answer."""
    return Path(request.param)


@lru_cache(maxsize=8)
def answer(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    fixture = json.loads(path.read_text())
    request = Request.make(**{"packages": {"whisperx": ""}, **fixture.get("request", {})})
    return decide({"h": fixture["facts"]}, request, catalogue()).hosts["h"], fixture.get("expect", {})


def test_answer_is_the_file_name(path):
    record, _ = answer(path)
    rules = {reason["rule"] for reason in record["reasons"]}
    kinds = {remedy["kind"] for remedy in record["remedies"]}
    for word in path.stem.split("--")[1].split("_"):
        if word == "refused":
            assert record["verdict"] == "refused", record
        elif word in ("cuda", "cpu"):
            assert (record["verdict"], record.get("device")) == ("plan", word), record["reasons"][:3]
        elif word in ("venv", "container"):
            assert (record["verdict"], record.get("runtime")) == ("plan", word), record["reasons"][:3]
        elif re.fullmatch(r"cu\d+", word):
            assert record["torch_build"] == word
        elif re.fullmatch(r"py3\.\d+", word):
            assert record["python"] == word[2:]
        elif word == "fix.none":
            assert not kinds
        elif word.startswith("fix."):
            assert word[len("fix.") :] in kinds
        elif match := PINNED.fullmatch(word):
            assert record["pins"][match[1]] == match[2]
        else:
            assert word in rules


def test_answer_holds_what_is_expected(path):
    record, expect = answer(path)
    for key, wanted in expect.items():
        check(record, key, wanted)


def noted(record: dict[str, Any]) -> set[str]:
    """Return the ids of the rules whose notes a plan has."""
    return {match[1] for note in record["notes"] if (match := NOTED.search(note))}


def check(record: dict[str, Any], key: str, wanted: Any) -> None:
    if key == "says":
        told = " | ".join(reason["sentence"] for reason in record["reasons"])
        assert all(sentence in told for sentence in wanted), told
    elif key == "notes":
        assert all(any(note.startswith(start) for note in record["notes"]) for start in wanted), record[
            "notes"
        ]
    elif key == "noted":
        assert noted(record) == set(wanted), record["notes"]
    elif key in ("admits", "denies"):
        for name, versions in wanted.items():
            allowed = SpecifierSet(record["constraints"][name])
            for version in versions:
                assert allowed.contains(version, prereleases=True) is (key == "admits"), (
                    name,
                    version,
                    str(allowed),
                )
    elif key == "bounds":
        for name, version in wanted.items():
            assert not SpecifierSet(record["constraints"][name]).contains(version)
    elif key == "constraint":
        assert {name: record["constraints"][name] for name in wanted} == wanted
    elif key == "requires":
        assert set(wanted) <= set(record["requirements"]), record["requirements"]
    elif key == "remedy":
        assert any(wanted.items() <= remedy.items() for remedy in record["remedies"]), record["remedies"]
    elif key == "built":
        assert {row["package"] for row in record["built_from_sdist"]} >= set(wanted)
    else:
        assert record.get(key) == wanted


def test_every_refusal_has_a_reason(path):
    record, _ = answer(path)
    if record["verdict"] == "refused":
        assert record["reasons"]
    for reason in record["reasons"]:
        assert set(reason) == {
            "rule", "subject", "versions", "found", "wanted", "remedy", "source", "sentence",
        }  # fmt: skip
        assert reason["found"] and reason["wanted"] and reason["source"]
        assert "?" not in reason["sentence"] and "{" not in reason["sentence"], reason["sentence"]
        assert reason["sentence"].endswith("."), reason["sentence"]
