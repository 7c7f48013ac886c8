"""The combinations that are tried, read from combinations.yml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from module_utils.whisperx_problem import Problem

__all__ = ["FFMPEG", "ROWS", "SUITES", "Combination", "load_combinations"]

ROWS = Path(__file__).resolve().parent / "combinations.yml"
SUITES = ("bullseye", "bookworm", "trixie", "forky")
# A suite with this behind its name also has FFmpeg and the shared library of its Python.
FFMPEG = "+ffmpeg"
_LEVELS = ("import", "kernels", "pipeline")
_WAYS = ("asked", "planned")


@dataclass(frozen=True)
class Combination:
    """One set of packages on one host.

    ``suite`` may end with FFMPEG. ``packages``: name and exact version, in the order of the row.
    """

    group: str
    suite: str
    python: str
    packages: tuple[tuple[str, str], ...]
    level: str
    way: str

    @property
    def key(self) -> str:
        """What tells this combination from all others, fit to be a directory's name."""
        named = "-".join(f"{name}{version}" for name, version in self.packages)
        return f"{self.group}.{self.suite}-{self.python}.{named}"

    @property
    def pins(self) -> dict[str, str]:
        """The set as specifiers."""
        return {name: f"=={version}" for name, version in self.packages}

    @property
    def words(self) -> str:
        """The set in words."""
        return ", ".join(f"{name} {version}" for name, version in self.packages)


def load_combinations(path: Path = ROWS) -> list[Combination]:
    """Return all combinations of a file, each once.

    Raises Problem "truth.rows" that names group and field.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise _odd(
            path.name, "the file", " ".join(str(error).split())[:200], "a readable YAML file"
        ) from None
    groups = data.get("groups") if isinstance(data, Mapping) else None
    if not isinstance(groups, list) or not groups:
        raise _odd(path.name, "groups", groups, "a list of groups")
    found = [combination for group in groups for combination in _group(group)]
    seen: set[str] = set()
    for combination in found:
        if combination.key in seen:
            raise _odd(combination.group, "sets", combination.words, "each combination once")
        seen.add(combination.key)
    return found


def _group(group: Any) -> list[Combination]:
    if not isinstance(group, Mapping) or not isinstance(group.get("id"), str):
        raise _odd("a group", "id", group, "a mapping with a name")
    name = group["id"]
    for field, allowed in (("level", _LEVELS), ("way", _WAYS)):
        if group.get(field) not in allowed:
            raise _odd(name, field, group.get(field), "one of " + ", ".join(allowed))
    for field in ("places", "sets"):
        if not isinstance(group.get(field), list) or not group[field]:
            raise _odd(name, field, group.get(field), "a list")
    places = [_place(name, entry) for entry in group["places"]]
    sets = [_packages(name, entry) for entry in group["sets"]]
    return [
        Combination(name, suite, python, packages, group["level"], group["way"])
        for suite, python in places
        for packages in sets
    ]


def _place(group: str, entry: Any) -> tuple[str, str]:
    suite, slash, python = str(entry).partition("/")
    if suite.removesuffix(FFMPEG) not in SUITES or not slash or not python.startswith("3."):
        raise _odd(
            group, "places", entry, f"SUITE/PYTHON or SUITE{FFMPEG}/PYTHON, a suite of " + ", ".join(SUITES)
        )
    return suite, python


def _packages(group: str, entry: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(entry, Mapping) or not entry:
        raise _odd(group, "sets", entry, "a mapping of package to version")
    for package, version in entry.items():
        if not isinstance(version, str):
            raise _odd(group, f"sets, {package}", version, "a version, in quotes where YAML reads a number")
    return tuple(entry.items())


def _odd(where: str, field: str, found: Any, wanted: str) -> Problem:
    return Problem("truth.rows", f"{field} is {found!r}", where, wanted, "Mend that row")
