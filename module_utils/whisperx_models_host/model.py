"""The records of a host's store of models: its paths, and the set of models that is wanted."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Tuple

from ..whisperx_common import records
from ..whisperx_common.models import MARKER
from ..whisperx_problem import Problem

__all__ = ["MTIME", "SCHEMA", "File", "Layout", "Wanted", "hub_folder", "labels", "want"]

SCHEMA = 1
# The time of change of every placed file, 1980-01-01: another one says that somebody wrote to it since.
MTIME = 315532800
# What a set consists of: each library looks in one of these.
_PARTS = ("hub", "torch", "nltk")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SNAPSHOT = re.compile(r"hub/(models--[^/]+)/snapshots/([^/]+)(/.*)?")
_FILE = records.Schema(
    {"path": records.text, "size": records.whole, "sha256": records.text},
    frozenset(("path", "size", "sha256")),
)
_MODEL = records.Schema(
    {
        "kind": records.text,
        "name": records.text,
        "names": records.each(records.text),
        "language": records.text,
        "repository": records.text,
        "revision": records.text,
        "path": records.text,
        "requires": records.each(records.text),
        "files": records.each(records.object_of(_FILE)),
    },
    frozenset(("kind", "name", "revision", "path", "files")),
)
_MANIFEST = records.Schema(
    {"schema": records.whole, "models": records.each(records.object_of(_MODEL))},
    frozenset(("schema", "models")),
)


@dataclass(frozen=True)
class Layout:
    """Every path of the store at ``root``."""

    root: str

    def path(self, *parts: str) -> str:
        """Return a path below the root."""
        return os.path.join(self.root, *parts)

    @property
    def marker(self) -> str:
        """The file that says the root is ours."""
        return self.path(MARKER)

    @property
    def current(self) -> str:
        """The link to the active set."""
        return self.path("current")

    @property
    def lock(self) -> str:
        """The lock file: one run at a time."""
        return self.path(".lock")

    def file(self, sha256: str) -> str:
        """Return the path of a file's contents, which sets share."""
        return self.path("files", sha256)

    def set(self, identity: str) -> str:
        """Return the path of a set of models."""
        return self.path("sets", identity)

    def manifest(self, identity: str) -> str:
        """Return the path of a set's record, the last thing that it gets."""
        return self.path("sets", identity, "manifest.json")


@dataclass(frozen=True)
class File:
    """A file of a set: ``path`` in the set, ``size`` in bytes."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Wanted:
    """A set of models, as its manifest says. ``identity`` is "" for the empty one, which has no directory."""

    value: Mapping[str, Any]
    identity: str = ""
    files: Tuple[File, ...] = ()
    models: Mapping[str, str] = field(default_factory=dict)

    @property
    def contents(self) -> Dict[str, int]:
        """SHA-256 to size of every file, each once."""
        return {one.sha256: one.size for one in self.files}

    @property
    def revisions(self) -> Dict[str, str]:
        """Folder in hub/ to the revision that its refs/main names."""
        found = {}
        for model in self.value["models"]:
            match = _SNAPSHOT.fullmatch(model["path"])
            if match:
                found[match.group(1)] = match.group(2)
        return found


def want(value: Any) -> Wanted:
    """Return the set that a manifest describes. Raises Problem "models.manifest" for what is none."""
    if records.checked(value, _MANIFEST) is None or value["schema"] != SCHEMA:
        raise _malformed("no manifest of schema {}".format(SCHEMA))
    if not value["models"]:
        return Wanted({"schema": SCHEMA, "models": []})
    files: Dict[str, File] = {}
    for model in value["models"]:
        _check_path(model["path"])
        for entry in model["files"]:
            one = File(entry["path"], entry["size"], entry["sha256"])
            _check_path(one.path)
            if _DIGEST.fullmatch(one.sha256) is None or one.size < 0:
                raise _malformed("{} has no size or SHA-256".format(one.path))
            if files.setdefault(one.path, one) != one:
                raise _malformed("{} is wanted with two contents".format(one.path))
    text = json.dumps(value, sort_keys=True)
    identity = hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]
    return Wanted(value, identity, tuple(files.values()), labels(value))


def labels(value: Mapping[str, Any]) -> Dict[str, str]:
    """Return the models of a manifest for people, "whisper base", each with its revision."""
    found: Dict[str, str] = {}
    for model in value["models"]:
        found["{} {}".format(model["kind"], model["name"])] = str(model["revision"])
    return found


def hub_folder(repository: str) -> str:
    """Return the folder that Hugging Face's libraries look for a repository in."""
    return "models--" + repository.replace("/", "--")


def _check_path(path: str) -> None:
    """Raise Problem for a path that leads out of the set, or to no part of it."""
    parts: List[str] = path.split("/")
    if parts[0] not in _PARTS or len(parts) < 2 or any(part in ("", ".", "..") for part in parts):
        raise _malformed("{!r} is no path in a set".format(path[:200]))


def _malformed(found: str) -> Problem:
    return Problem(
        "models.manifest",
        found,
        "option manifest",
        "the manifest that role whisperx_models makes of locks/models.txt",
        "Remove locks/models.txt and run again, which locks the models again.",
    )
