"""The catalogue as it was on one day: a refresh of the measured rows does not move the golden answers."""

from __future__ import annotations

import json
import shutil
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from module_utils.whisperx_catalogue.catalogue import Catalogue, load

__all__ = ["CATALOGUE", "DAY", "catalogue", "copy_until"]

ROOT = Path(__file__).resolve().parents[3]
CATALOGUE = ROOT / "roles" / "whisperx_plan" / "files" / "catalogue"
DAY = "2026-11-23"


def copy_until(day: str, target: Path) -> Path:
    """Copy the catalogue, without the releases uploaded after ``day``."""
    (target / "packages").mkdir(parents=True)
    for rows in CATALOGUE.glob("*.yml"):
        shutil.copy(rows, target)
    for file in (CATALOGUE / "packages").glob("*.json"):
        data = json.loads(file.read_text())
        data["releases"] = [row for row in data["releases"] if row["uploaded"] <= day]
        (target / "packages" / file.name).write_text(json.dumps(data))
    return target


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    """Return the catalogue of that day."""
    with TemporaryDirectory() as folder:
        return load(copy_until(DAY, Path(folder) / "catalogue"))
