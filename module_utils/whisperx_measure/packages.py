"""The rows of measure.yml: which packages are measured, and what of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..whisperx_libraries import Version, load_yaml

__all__ = ["FILE", "Package", "load_packages"]

# Below the directory of the catalogue.
FILE = "measure.yml"


@dataclass(frozen=True)
class Package:
    """One row. ``members``: a regular expression on the shared objects to read; ``also``: further facts."""

    name: str
    start: Version
    members: str | None
    also: frozenset[str]
    cuda: str | None = None


def load_packages(path: Path) -> list[Package]:
    """Return the rows in their order, which is the order of measuring."""
    rows = load_yaml(path.read_text(encoding="utf-8"))
    return [
        Package(
            row["name"],
            Version(str(row["from"])),
            row.get("members"),
            frozenset(row.get("also", ())),
            row.get("cuda"),
        )
        for row in rows
    ]
