"""A store of models in a directory, and sets of small files for it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from module_utils.whisperx_models_host.run import ARGUMENTS, run


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def model(name: str, revision: str, files: Mapping[str, bytes], kind: str = "whisper") -> dict[str, Any]:
    """Return the manifest's entry of a model of a hub."""
    base = f"hub/models--owner--{name}/snapshots/{revision}"
    return {
        "kind": kind,
        "name": name,
        "names": [name, f"owner/{name}"],
        "language": None,
        "repository": f"owner/{name}",
        "revision": revision,
        "path": base,
        "requires": [],
        "files": [
            {"path": f"{base}/{path}", "size": len(data), "sha256": digest(data)}
            for path, data in files.items()
        ],
    }


def manifest(*models: dict[str, Any]) -> dict[str, Any]:
    return {"schema": 1, "models": list(models)}


class Host:
    """A store at ``root``, and the files that travel to it below ``shelf``."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "models"
        self.shelf = folder / "shelf"
        self.shelf.mkdir()
        self.travelled: list[str] = []

    def supply(self, *contents: bytes) -> None:
        """Have these files on the controller."""
        for data in contents:
            (self.shelf / digest(data)).write_bytes(data)

    def options(self, value: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
        given = {name: option.get("default") for name, option in ARGUMENTS.items()}
        return {**given, "dir": str(self.root), "manifest": value, **more}

    def call(self, value: dict[str, Any] | None, check: bool = False, **more: Any) -> dict[str, Any]:
        """Run as the action plugin does: once, and again with the files that the first run names."""
        result = run(self.options(value, **more), check)
        if check or not result["wanted_files"]:
            return result
        self.travelled = [one["sha256"] for one in result["wanted_files"]]
        files = [{"sha256": name, "path": str(self.shelf / name)} for name in self.travelled]
        return run(self.options(value, files=files, **more), check)

    def current(self) -> Path:
        return self.root / "current"

    def names(self) -> list[str]:
        return (
            sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*"))
            if self.root.exists()
            else []
        )
