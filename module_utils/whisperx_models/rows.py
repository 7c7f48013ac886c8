"""The rows about models: what is read of them, where they lie, what they take, on whose terms they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ..whisperx_libraries import load_yaml

__all__ = ["Part", "Rows", "read_rows"]


@dataclass(frozen=True)
class Part:
    """The files that are read of a repository. Of ``first`` the first list that it has is taken."""

    files: tuple[str, ...]
    needed: tuple[str, ...]
    first: tuple[tuple[str, ...], ...] = ()

    def select(self, names: Sequence[str]) -> list[str]:
        """Return those of a repository's files that are read."""
        chosen = [name for name in names if _any(name, self.files)]
        for patterns in self.first:
            weights = [name for name in names if _any(name, patterns)]
            if weights:
                chosen += weights
                break
        return sorted(dict.fromkeys(chosen))

    def missing(self, names: Sequence[str]) -> list[str]:
        """Return the patterns without which it is no such model, of those that no file has."""
        absent = [pattern for pattern in self.needed if not any(fnmatchcase(name, pattern) for name in names)]
        if self.first and not any(_any(name, patterns) for patterns in self.first for name in names):
            absent.append(" or ".join(patterns[0] for patterns in self.first))
        return absent


@dataclass(frozen=True)
class Rows:
    """Every section of the file."""

    parts: Mapping[str, Part]
    addresses: Mapping[str, str]
    memory: tuple[Mapping[str, Any], ...]
    licences: tuple[Mapping[str, Any], ...]

    def part(self, name: str) -> Part:
        """Return what is read of a part; one without a row is a folder of a repository, read whole."""
        return self.parts.get(name) or Part((f"{name}/*",), (f"{name}/*",))

    def memory_of(self, repository: str) -> Mapping[str, Any] | None:
        """Return the row of a Whisper model, None where none is known."""
        name = repository.rpartition("/")[2].lower()
        return next((row for row in self.memory if fnmatchcase(name, f"*{row['match']}")), None)

    def licence_of(self, source: str) -> Mapping[str, Any] | None:
        """Return the row of a source such as "hub:OWNER/NAME", None where none is known."""
        return next((row for row in self.licences if fnmatchcase(source, row["match"])), None)


def read_rows(path: Path) -> Rows:
    """Return the rows of a file of this toolkit."""
    data = load_yaml(path.read_text("utf-8"))
    parts = {
        name: Part(
            tuple(row["files"]), tuple(row["needed"]), tuple(tuple(each) for each in row.get("first") or ())
        )
        for name, row in data["parts"].items()
    }
    return Rows(parts, data["addresses"], tuple(data["memory"]), tuple(data["licences"]))


def _any(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) and name.count("/") == pattern.count("/") for pattern in patterns)
