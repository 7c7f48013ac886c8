"""Versions: of Python packages with as much of PEP 440 as the failure rows use, and of anything with numbers.

The controller has `packaging` for the first; a target has the standard library.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import List, Optional, Tuple

__all__ = ["Numbers", "admits", "dotted", "key", "local", "minor", "numbers", "strict_numbers"]

Numbers = Tuple[int, ...]

_VERSION = re.compile(r"v?(?:\d+!)?(\d+(?:\.\d+)*)[-_.]?(a|b|c|rc|dev|post|alpha|beta)?[-_.]?(\d*)")
_CLAUSE = re.compile(r"\s*(<=|>=|==|!=|<|>)\s*(\S+)\s*")
# Where a suffix puts a version, the release without one being 0.
_ORDER = {"dev": -4, "alpha": -3, "a": -3, "beta": -2, "b": -2, "c": -1, "rc": -1, "post": 1}
# No number of a real version has ten digits; a longer one is not read as a shorter one.
_LEADING = re.compile(r"(?:[0-9]{1,9}(?![0-9])\.?)+")
# "2.41", "570.124.06", "3.14.0rc1", "2.36-9+deb12u3": the leading numbers count, what a distribution
# appends does not.
_WHOLE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9}){0,4})(?:[-+~_a-z].*)?", re.IGNORECASE)


def numbers(version: str) -> Numbers:
    """Return the dotted numbers that a version begins with, so that 2.9 sorts before 2.41.

    "570.124.06-1" -> (570, 124, 6); what begins with no number is (), before all.
    """
    match = _LEADING.match(version.strip())
    return tuple(int(part) for part in match.group().split(".") if part) if match else ()


@lru_cache(maxsize=65536)
def strict_numbers(version: str) -> Optional[Numbers]:
    """Return the numbers of what is a version as a whole, up to what a distribution appends; else None."""
    match = _WHOLE.fullmatch(version.strip())
    return tuple(int(part) for part in match.group(1).split(".")) if match else None


def dotted(parts: Numbers) -> str:
    """Return (2, 41) as "2.41"."""
    return ".".join(str(part) for part in parts)


def minor(version: str) -> str:
    """Return the first two numbers of a version, such as "3.13" of "3.13.5"."""
    return dotted(numbers(version)[:2])


def key(version: str) -> Tuple[Numbers, int, int]:
    """Order versions of packages: "2.9" < "2.41rc1" < "2.41"; what is no version comes before all."""
    match = _VERSION.match(version.strip().lower())
    if match is None:
        return (), 0, 0
    release = [int(part) for part in match.group(1).split(".")]
    while release and not release[-1]:
        release.pop()
    return tuple(release), _ORDER.get(match.group(2) or "", 0), int(match.group(3) or 0)


def local(version: str) -> str:
    """Return the local label of a version, "cu128" of "2.8.0+cu128"; "" where it has none."""
    return version.partition("+")[2]


def admits(specifier: str, version: str) -> bool:
    """Say whether ``specifier`` (">=4.5.0,<4.6.3", "==2.6.*", "" for all) admits ``version``.

    ValueError for a specifier that is none. Local labels are not compared.
    """
    return all(_holds(operator, wanted, version) for operator, wanted in _clauses(specifier))


def _clauses(specifier: str) -> List[Tuple[str, str]]:
    found = []
    for part in specifier.split(","):
        if not part.strip():
            continue
        match = _CLAUSE.fullmatch(part)
        if match is None or not _VERSION.match(match.group(2)):
            raise ValueError(f"{part.strip()!r} is no version clause")
        found.append((match.group(1), match.group(2)))
    return found


def _holds(operator: str, wanted: str, version: str) -> bool:
    if wanted.endswith(".*"):
        prefix = [int(part) for part in wanted[:-2].split(".")]
        release = list(key(version)[0]) + [0] * len(prefix)
        return (release[: len(prefix)] == prefix) == (operator == "==")
    found, bound = key(version), key(wanted)
    return {
        "<": found < bound,
        "<=": found <= bound,
        ">": found > bound,
        ">=": found >= bound,
        "==": found == bound,
        "!=": found != bound,
    }[operator]
