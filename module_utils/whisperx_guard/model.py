"""The records of the guard: what is about to change, which packages matter, what was found."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Dict, Mapping, Optional, Pattern, Sequence, Tuple

from ..whisperx_problem import Problem

__all__ = ["KINDS", "Change", "Config", "Found", "Row", "rows"]

# What a row can be about: the C library, NVIDIA's driver.
KINDS = ("libc", "driver")
_EPOCH = r"(?:\d+:)?"


@dataclass(frozen=True)
class Change:
    """One package of the coming run. ``before`` is "" when it is new, ``after`` is "" when it goes.

    ``arch`` in the package manager's words. Versions are whole, with epoch and revision.
    """

    package: str
    arch: str
    before: str
    after: str


@dataclass(frozen=True)
class Row:
    """Packages that matter: ``match`` fits the whole name, ``version`` the upstream version at the start.

    ``loss`` tells that without such a package the host has none of ``kind`` at all.
    """

    match: Pattern[str]
    kind: str
    version: Pattern[str]
    loss: bool

    def upstream(self, version: str) -> str:
        """Return the upstream version in a package's version ("1:2.41-12" -> "2.41"), "" for none."""
        found = self.version.match(version)
        return found.group(1) if found else ""


@dataclass(frozen=True)
class Config:
    """What the guard was told when it was put there.

    ``mode`` is "block" or "warn", ``packages`` is what ``rows`` takes, ``held`` are the packages that this
    toolkit put on hold, by kind.
    """

    mode: str
    roots: Tuple[str, ...]
    packages: Tuple[Mapping[str, Any], ...]
    held: Mapping[str, Sequence[str]]

    def record(self) -> Dict[str, Any]:
        """Return it as JSON takes it."""
        return {"made_by": "whisperx-fleet", "schema": 1, **asdict(self)}

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Config:
        """Return what ``record`` wrote; a value of another type, as of a damaged file, counts as none."""
        roots, packages, held = (value.get(name) for name in ("roots", "packages", "held"))
        return cls(
            "warn" if value.get("mode") == "warn" else "block",
            tuple(root for root in roots if isinstance(root, str)) if isinstance(roots, list) else (),
            tuple(row for row in packages if isinstance(row, dict)) if isinstance(packages, list) else (),
            {
                kind: [name for name in names if isinstance(name, str)]
                for kind, names in (held.items() if isinstance(held, dict) else ())
                if isinstance(names, list)
            },
        )


@dataclass(frozen=True)
class Found:
    """One thing that would stop working; ``in_use`` is false for a release kept only for a rollback."""

    problem: Problem
    in_use: bool


def rows(given: Sequence[Mapping[str, Any]]) -> Tuple[Row, ...]:
    """Return the rows of a configuration. Raises Problem "guard.packages" for one that cannot be read."""
    found = []
    for item in given:
        try:
            kind, match = str(item["what"]), re.compile(str(item["match"]))
            version = re.compile(_EPOCH + "(" + str(item["version"]) + ")")
        except (KeyError, re.error) as error:
            raise _malformed(item, repr(error)) from error
        if kind not in KINDS:
            raise _malformed(item, "what is '{}'".format(kind))
        found.append(Row(match, kind, version, bool(item.get("loss"))))
    return tuple(found)


def row_of(package: str, known: Sequence[Row]) -> Optional[Row]:
    """Return the first row that is about a package."""
    return next((row for row in known if row.match.fullmatch(package)), None)


def _malformed(item: Mapping[str, Any], found: str) -> Problem:
    return Problem(
        "guard.packages",
        "a row that cannot be read: {}".format(found),
        str(dict(item)),
        "match and version as regular expressions, and what as one of {}".format(", ".join(KINDS)),
        "Correct the row in whisperx_guard_packages.",
    )
