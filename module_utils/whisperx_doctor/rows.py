"""The failure rows as they arrive: checked once, so that a row that cannot be asked is told, not skipped.

A row names a failure by one or more signs (``when``). Each sign is a mapping; all its conditions must hold:

    kind       check, start, log, audit, files, place (the caller's session) or setting (the given
               variables, without which it works): where it was seen
    text       a regular expression, searched in what a check, the interpreter or a given log said; beside
               `audit` or `files` in what those say
    check      a regular expression for the name of the check ("import ctranslate2")
    signal     the signal that ended the process
    audit      the rule of a finding of the ABI audit
    files      missing, changed or collision: what is wrong with a file
    where      a regular expression for the file of the symptom
    with       missing, changed or collision: such a file is named in the text, too
    packages   distribution -> specifier, "present", "absent", "+label" or "!+label" (its local label,
               "+" for none), or a list of these
    facts      dotted name -> "present", "absent", "with X", "without X", a comparison, or words parted by "|"
    python     specifier for the version of the environment's interpreter
    device     cpu or cuda
    ran        ok, failed or none: what came of running it

Named groups of the expressions are words for the row's sentence. A sign without the first seven says what is
so, not what was seen: it is a note, and decides only in a row of ``hazard: true``. Rows of ``note: true``
never decide; ``generic: true`` rows are asked last, about what no other row explains.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Tuple

from ..whisperx_common.versions import admits
from ..whisperx_problem import Problem

__all__ = ["SEEN", "Knowledge", "read"]

SEEN = ("kind", "text", "check", "signal", "audit", "files", "where")
_STATE = ("with", "packages", "facts", "python", "device", "ran")
_FIELDS = ("id", "sentence", "when", "cure", "toolkit", "source", "confidence")
_FILES = ("missing", "changed", "collision")
_COMPARISON = re.compile(r"[<>=!]=?\s*\d")


class Knowledge:
    """The rows, the toolkit's actions by id, the packages to import, the first glibc that refuses
    executable stacks, and patterns of the libraries that packages work without."""

    def __init__(
        self,
        rows: List[Mapping[str, Any]],
        actions: Mapping[str, Mapping[str, str]],
        packages: List[Mapping[str, Any]],
        execstack_refused_from: str,
        optional_sonames: Tuple[str, ...] = (),
    ) -> None:
        self.rows = rows
        self.actions = actions
        self.packages = packages
        self.execstack_refused_from = execstack_refused_from
        self.optional_sonames = optional_sonames

    def imports(self, installed: Mapping[str, str]) -> List[Dict[str, Any]]:
        """Return what of ``installed`` is imported to see whether it works."""
        return [
            {"package": row["name"], "module": row["module"], "optional": bool(row.get("optional"))}
            for row in self.packages
            if row.get("module") and row["name"] in installed
        ]


def read(document: Mapping[str, Any]) -> Knowledge:
    """Return the knowledge in ``document``; Problem "doctor.rows" names the row and what is wrong with it."""
    try:
        rows, actions = document["failures"], {row["id"]: row for row in document["actions"]}
        packages, refused = document["packages"], str(document["execstack_refused_from"])
    except (KeyError, TypeError) as problem:
        raise _malformed("the document", f"{problem} is missing") from problem
    for row in rows:
        complaint = _complaint(row, actions)
        if complaint:
            name = row.get("id", "without id") if isinstance(row, dict) else repr(row)
            raise _malformed(f"row {name}", complaint)
    known = [row["id"] for row in rows]
    twice = sorted({name for name in known if known.count(name) > 1})
    if twice:
        raise _malformed("row " + twice[0], "it is there twice")
    return Knowledge(rows, actions, packages, refused, tuple(document.get("optional_sonames") or ()))


def _complaint(row: Any, actions: Mapping[str, Any]) -> str:
    """Return what is wrong with a row, "" when nothing is."""
    if not isinstance(row, dict):
        return "it is no mapping"
    lacking = [name for name in _FIELDS if name not in row]
    if lacking:
        return "missing: " + ", ".join(lacking)
    unknown = [name for name in row["toolkit"] if name not in actions]
    if unknown:
        return f"no action is called {unknown[0]}"
    if not row["when"]:
        return "it has no sign"
    for sign in row["when"]:
        complaint = _sign_complaint(sign)
        if complaint:
            return complaint
    return ""


def _sign_complaint(sign: Any) -> str:
    if not isinstance(sign, dict) or not sign:
        return "a sign is a mapping"
    strange = sorted(set(sign) - set(SEEN) - set(_STATE))
    if strange:
        return f"no condition is called {strange[0]}"
    try:
        for name in ("text", "check", "where"):
            re.compile(sign.get(name, ""))
        for specifier in [sign.get("python", ""), *_specifiers(sign)]:
            admits(specifier, "1")
    except (re.error, ValueError, TypeError) as problem:
        return str(problem)
    if sign.get("files", "missing") not in _FILES or sign.get("with", "missing") not in _FILES:
        return "files and with are one of " + ", ".join(_FILES)
    return ""


def _specifiers(sign: Mapping[str, Any]) -> Tuple[str, ...]:
    wanted = sign.get("packages", {}).values()
    flat = [word for value in wanted for word in (value if isinstance(value, list) else [value])]
    words = [word for word in flat if word not in ("present", "absent")]
    return tuple(
        [word for word in words if not word.startswith(("+", "!+"))]
        + [word for word in sign.get("facts", {}).values() if _COMPARISON.match(word)]
    )


def _malformed(where: str, found: str) -> Problem:
    return Problem(
        "doctor.rows",
        f"the failure rows cannot be used: {found}",
        where,
        "rows as roles/whisperx_plan/files/catalogue/failures.yml has them",
        "Correct the row and run make docs, or restore the checkout from version control.",
    )
