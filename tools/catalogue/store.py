"""The measured files of the catalogue: one JSON file per package, one release per line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from module_utils.whisperx_problem import Problem

__all__ = ["SCHEMA", "Store"]

SCHEMA = 1
_ORDER = (
    "version", "uploaded", "yanked", "requires_python", "sdist_only", "requires_dist",
    "requires_dist_aarch64", "extras", "wheels", "abi",
)  # fmt: skip


class Store:
    """The file of one package. ``releases`` maps a version to its record; `save` writes what changed."""

    def __init__(self, directory: Path, package: str, cuda: str | None = None) -> None:
        self.path = directory / f"{package}.json"
        self._package = package
        self._cuda = cuda
        self.measured = ""
        self.releases: dict[str, dict[str, Any]] = {}
        if self.path.exists():
            self._load()
        self._saved = self._body()

    def _load(self) -> None:
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
            if data["schema"] != SCHEMA or data["package"] != self._package:
                raise ValueError(f"schema {data['schema']}, package {data['package']}")
            self.measured = data["measured"]
            self.releases = {item["version"]: item for item in data["releases"]}
        except (ValueError, KeyError, TypeError) as error:
            raise Problem(
                "catalogue.file",
                f"cannot be read: {error}",
                str(self.path),
                f"a measured file of schema {SCHEMA}",
                "Take the file from version control, or delete it and measure anew.",
            ) from error

    def replace(self, records: list[dict[str, Any]]) -> None:
        """Take these releases, in this order, instead of those there were."""
        self.releases = {item["version"]: item for item in records}

    def save(self, today: str) -> bool:
        """Write the file if the releases differ from what it holds; say whether it was written."""
        body = self._body()
        if body == self._saved and self.path.exists():
            return False
        self.measured = today
        head = {"schema": SCHEMA, "package": self._package, "measured": today}
        if self._cuda is not None:
            head["cuda"] = self._cuda
        text = json.dumps(head, ensure_ascii=False)[:-1] + ', "releases": [\n' + body + "\n]}\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        os.replace(fresh, self.path)
        self._saved = body
        return True

    def _body(self) -> str:
        return ",\n".join(json.dumps(_sorted(item), ensure_ascii=False) for item in self.releases.values())


def _sorted(record: dict[str, Any]) -> dict[str, Any]:
    rank = {name: place for place, name in enumerate(_ORDER)}
    return dict(sorted(record.items(), key=lambda pair: (rank.get(pair[0], len(rank)), pair[0])))
