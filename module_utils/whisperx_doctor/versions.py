"""Versions and specifiers, as much of PEP 440 as the failure rows use.

The controller has `packaging` for this; a target has the standard library.
"""

from __future__ import annotations

import re
from typing import List, Tuple

__all__ = ["admits", "key", "local"]

_VERSION = re.compile(r"v?(?:\d+!)?(\d+(?:\.\d+)*)[-_.]?(a|b|c|rc|dev|post|alpha|beta)?[-_.]?(\d*)")
_CLAUSE = re.compile(r"\s*(<=|>=|==|!=|<|>)\s*(\S+)\s*")
# Where a suffix puts a version, the release without one being 0.
_ORDER = {"dev": -4, "alpha": -3, "a": -3, "beta": -2, "b": -2, "c": -1, "rc": -1, "post": 1}


def key(version: str) -> Tuple[Tuple[int, ...], int, int]:
    """Order versions: "2.9" < "2.41rc1" < "2.41"; what is no version comes before all."""
    match = _VERSION.match(version.strip().lower())
    if match is None:
        return (), 0, 0
    numbers = [int(part) for part in match.group(1).split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers), _ORDER.get(match.group(2) or "", 0), int(match.group(3) or 0)


def local(version: str) -> str:
    """Return the local label of a version, "cu128" of "2.8.0+cu128"; "" where it has none."""
    return version.partition("+")[2]


def admits(specifier: str, version: str) -> bool:
    """Tell whether ``specifier`` (">=4.5.0,<4.6.3", "==2.6.*", "" for all) admits ``version``.

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
        numbers = [int(part) for part in wanted[:-2].split(".")]
        release = list(key(version)[0]) + [0] * len(numbers)
        return (release[: len(numbers)] == numbers) == (operator == "==")
    found, bound = key(version), key(wanted)
    return {
        "<": found < bound,
        "<=": found <= bound,
        ">": found > bound,
        ">=": found >= bound,
        "==": found == bound,
        "!=": found != bound,
    }[operator]
