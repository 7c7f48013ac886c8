"""What a stand-in for the hub holds: contents, repositories, and what goes wrong with them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Blob", "Faults", "Repository", "details", "entry"]

# Files of these names, or as large, are in LFS: the hub's own .gitattributes.
_LFS_NAMES = re.compile(r"\.(bin|safetensors|pt|pth|npz|onnx|ckpt|h5|msgpack)$")
_LFS_SIZE = 10 << 20


@dataclass(frozen=True)
class Blob:
    """One file's content, in memory or on disk."""

    source: bytes | Path
    size: int
    sha256: str
    git: str
    lfs: bool

    @staticmethod
    def of(name: str, source: bytes | Path) -> Blob:
        """Return the content of a file of this name."""
        data = source if isinstance(source, bytes) else source.read_bytes()
        git = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
        lfs = bool(_LFS_NAMES.search(name)) or len(data) > _LFS_SIZE
        return Blob(source, len(data), hashlib.sha256(data).hexdigest(), git, lfs)

    @property
    def etag(self) -> str:
        """What the hub and its store call this content."""
        return self.sha256 if self.lfs else self.git

    def read(self) -> bytes:
        """Return the content."""
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()


@dataclass
class Repository:
    """``revisions``: 40 hex -> path -> content; ``refs``: main and tags -> 40 hex; ``accepted``: tokens whose
    owners accepted the terms."""

    name: str
    revisions: dict[str, dict[str, Blob]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    gated: bool = False
    license: str = "mit"
    accepted: set[str] = field(default_factory=set)

    def resolve(self, revision: str) -> str:
        """Return the 40 hex of a ref or revision, "" for an unknown one."""
        revision = self.refs.get(revision, revision)
        return revision if revision in self.revisions else ""


@dataclass
class Faults:
    """What goes wrong. ``cut``: path end -> bytes after which the connection ends, ``cuts`` times for each;
    ``status``: path beginning -> HTTP status that everything there has; ``wrong``: path ends of files whose
    bytes are not those that the hub announces; ``silent``: connections are accepted and never answered."""

    cut: dict[str, int] = field(default_factory=dict)
    cuts: int = 1
    status: dict[str, int] = field(default_factory=dict)
    wrong: set[str] = field(default_factory=set)
    silent: bool = False


def details(blob: Blob) -> dict[str, Any]:
    """What ``files_metadata=True`` adds to a file."""
    values: dict[str, Any] = {"size": blob.size, "blobId": blob.git}
    if blob.lfs:
        values["lfs"] = {"sha256": blob.sha256, "size": blob.size, "pointerSize": 134}
    return values


def entry(path: str, blob: Blob) -> dict[str, Any]:
    values: dict[str, Any] = {"type": "file", "oid": blob.git, "size": blob.size, "path": path}
    if blob.lfs:
        values["lfs"] = {"oid": blob.sha256, "size": blob.size, "pointerSize": 134}
    return values
