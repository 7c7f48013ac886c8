"""Asks every failure row about a patient. Pure: records in, records out."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from ..whisperx_common.versions import admits, local
from .records import Evidence, Found, Patient, Symptom
from .rows import SEEN

__all__ = ["explains", "fact", "match"]

# Symptoms whose cause is decided by what was run come before those that only lie in the files.
_SHOWN = 300


class _Seen(NamedTuple):
    """A sign that holds: for which symptom (None: it only says what is so), its evidence, its words."""

    symptom: Optional[int]
    evidence: Tuple[Evidence, ...]
    words: Dict[str, str]


def match(rows: Sequence[Mapping[str, Any]], patient: Patient) -> List[Found]:
    """Return the rows that hold, those that explain what was seen first.

    A generic row is asked only about the symptoms that no other row explains.
    """
    found: List[Found] = []
    explained: Set[int] = set()
    for generic in (False, True):
        for row in rows:
            if bool(row.get("generic")) != generic:
                continue
            answer = _ask(row, patient, explained if generic else set())
            if answer is not None:
                found.append(answer)
        explained |= explains(found, patient)
    return sorted(
        found, key=lambda item: (not item.decides, bool(item.row.get("generic")), not item.symptoms)
    )


def explains(found: Sequence[Found], patient: Patient) -> Set[int]:
    """Return the numbers of the symptoms that ``found`` account for; a note accounts for minor ones only."""
    return {
        number for item in found for number in item.symptoms if item.decides or patient.symptoms[number].minor
    }


def _ask(row: Mapping[str, Any], patient: Patient, without: Set[int]) -> Optional[Found]:
    """Return what one row says, None when no sign of it holds."""
    seen: List[_Seen] = []
    for sign in row["when"]:
        state = _state(sign, patient)
        if state is None:
            continue
        if not set(sign) & set(SEEN):
            seen.append(_Seen(None, tuple(state), {}))
            continue
        for number, symptom in enumerate(patient.symptoms):
            words = None if number in without else _shows(sign, symptom, patient)
            if words is not None:
                line = Evidence(symptom.kind, words.pop("", symptom.line())[:_SHOWN])
                seen.append(_Seen(number, (line, *state), words))
    if not seen:
        return None
    numbers = tuple(dict.fromkeys(item.symptom for item in seen if item.symptom is not None))
    if row.get("generic") and not numbers:
        return None
    evidence = tuple(dict.fromkeys(line for item in seen for line in item.evidence))
    words = {key: word for item in reversed(seen) for key, word in item.words.items()}
    told = dict(row, sentence=_fill(row["sentence"], words), cure=_fill(row["cure"], words))
    seriously = any(not patient.symptoms[number].minor for number in numbers)
    decides = bool(row.get("hazard")) or (seriously and not row.get("note"))
    return Found(told, evidence, numbers, decides)


def _fill(sentence: str, words: Mapping[str, str]) -> str:
    """Put the words that a sign found into a sentence; braces without a word stay out."""
    return re.sub(r"\{(\w+)\}", lambda found: words.get(found.group(1)) or "…", sentence)


def _shows(sign: Mapping[str, Any], symptom: Symptom, patient: Patient) -> Optional[Dict[str, str]]:
    """Return the words a symptom gives to a sign, None when it does not show it."""
    if sign.get("kind", symptom.kind) != symptom.kind:
        return None
    # Its cause is known; what the words look like is no cause beside it.
    if symptom.kind == "setting" and "kind" not in sign:
        return None
    kinds = {"audit": "audit", "files": "files"}
    for condition, kind in kinds.items():
        if condition in sign and (symptom.kind != kind or symptom.name != sign[condition]):
            return None
    if "signal" in sign and symptom.signal != sign["signal"]:
        return None
    words: Dict[str, str] = {"check": symptom.name, "signal": symptom.signal}
    for condition, said in (("check", symptom.name), ("where", symptom.where)):
        if condition in sign:
            named = re.search(sign[condition], said)
            if named is None:
                return None
            words.update(named.groupdict(""))
    if "text" in sign:
        # What the audit and RECORD say is ours; only a sign that asks for it by its rule reads it.
        if symptom.kind in kinds.values() and not set(kinds) & set(sign):
            return None
        found = re.search(sign["text"], symptom.text)
        if found is None:
            return None
        words.update(found.groupdict(""))
        words[""] = symptom.line(_line(symptom.text, found.start()))
    if "with" in sign and not _named(sign["with"], symptom, patient):
        return None
    return words


def _named(kind: str, symptom: Symptom, patient: Patient) -> bool:
    """Tell whether a file that is ``kind`` is named in what the symptom says."""
    files = [item.where for item in patient.symptoms if item.kind == "files" and item.name == kind]
    said = f"{symptom.text} {symptom.where}"
    return any(os.path.basename(file) in said for file in files)


def _line(text: str, position: int) -> str:
    """Return the line of ``text`` that ``position`` is in."""
    start = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position)
    return text[start : end if end >= 0 else len(text)].strip()


def _state(sign: Mapping[str, Any], patient: Patient) -> Optional[List[Evidence]]:
    """Return the evidence for what a sign says is so, None when it is not."""
    evidence: List[Evidence] = []
    for name, wanted in sign.get("packages", {}).items():
        version = patient.packages.get(name)
        if not all(_package_is(word, version) for word in (wanted if isinstance(wanted, list) else [wanted])):
            return None
        evidence.append(Evidence("package", f"{name} {version}" if version else f"{name} is not installed"))
    for name, wanted in sign.get("facts", {}).items():
        # A fact that was not read at all is neither present nor absent.
        if name.split(".")[0] not in patient.facts:
            return None
        value = fact(patient.facts, name)
        if not _fact_is(wanted, value):
            return None
        evidence.append(Evidence("fact", _tell(name, wanted, value, patient.facts)))
    version = patient.environment.version
    if "python" in sign:
        if not version or not admits(sign["python"], version):
            return None
        evidence.append(Evidence("fact", f"Python {version}"))
    if sign.get("device", patient.device) != patient.device or sign.get("ran", patient.ran) != patient.ran:
        return None
    return evidence


def _package_is(wanted: str, version: Optional[str]) -> bool:
    if wanted == "absent":
        return version is None
    if version is None or wanted == "present":
        return version is not None
    if wanted.startswith("!+"):
        return local(version) != wanted[2:]
    if wanted.startswith("+"):
        return local(version) == wanted[1:]
    return admits(wanted, version)


def fact(facts: Mapping[str, Any], name: str) -> List[str]:
    """Return the values of a fact by its dotted name; a list of records gives that field of each."""
    values: List[Any] = [facts]
    for part in name.split("."):
        below = [value.get(part) for value in values if isinstance(value, dict)]
        values = [item for value in below for item in (value if isinstance(value, list) else [value])]
    return [
        str(value).lower() if isinstance(value, bool) else str(value)
        for value in values
        if value not in (None, "")
    ]


def _fact_is(wanted: str, values: List[str]) -> bool:
    if wanted in ("present", "absent"):
        # The state of a driver that is not there is told with this very word.
        return bool(values and values != ["absent"]) == (wanted == "present")
    if wanted.startswith("without "):
        # Nothing at all says nothing: a fact that was not read has no items.
        return bool(values) and wanted[8:] not in values
    if wanted.startswith("with "):
        return wanted[5:] in values
    if re.match(r"[<>=!]=?\s*\d", wanted):
        return any(admits(wanted, value) for value in values)
    return any(value in wanted.split("|") for value in values)


def _tell(name: str, wanted: str, values: List[str], facts: Mapping[str, Any]) -> str:
    """Return a fact in words, with where it was read."""
    sources = facts.get("sources") or {}
    source = sources.get(name) or sources.get(name.split(".")[0]) or ""
    if wanted.startswith(("with ", "without ")):
        said = f"{name}: {wanted}"
    else:
        said = f"{name} is {', '.join(values)}" if values else f"{name} is absent"
    return f"{said} ({source})" if source else said
