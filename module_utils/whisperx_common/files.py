"""Small deeds on files: each either happens whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from typing import Any, Dict, Iterator, Optional

__all__ = [
    "GOING",
    "discard",
    "link",
    "open_umask",
    "read_json",
    "read_text",
    "sha256",
    "write_json",
    "write_text",
]

# The end of the name of a tree that is being removed.
GOING = ".going"


@contextlib.contextmanager
def open_umask() -> Iterator[None]:
    """What is made here is for every user of the host, whatever root's umask is."""
    old = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(old)


def read_text(path: str) -> Optional[str]:
    """Return a file's text, None when it is absent."""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def read_json(path: str) -> Optional[Dict[str, Any]]:
    """Return a file's JSON object, None when the file is absent or holds something else."""
    try:
        value = json.loads(read_text(path) or "null")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def write_text(path: str, text: str, mode: int = 0o644) -> None:
    """Write a file in one step: readers see the old text or the new one, also after a kill."""
    beside = path + ".new"
    with open(beside, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.chmod(beside, mode)
    os.replace(beside, path)


def write_json(path: str, value: Dict[str, Any]) -> None:
    """Write a JSON object in one step, with sorted keys."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def link(path: str, target: str) -> None:
    """Make ``path`` a symlink to ``target`` in one step, replacing what symlink was there."""
    beside = path + ".new"
    try:
        os.unlink(beside)
    except FileNotFoundError:
        pass
    os.symlink(target, beside)
    os.replace(beside, path)


def discard(path: str) -> None:
    """Remove a file, a link or a tree if it is there.

    A tree is renamed first, so that a kill half-way leaves nothing that looks whole, and a program that still
    writes there cannot come in the way.
    """
    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)
    elif os.path.isdir(path):
        if not path.endswith(GOING):
            discard(path + GOING)
            os.rename(path, path + GOING)
            path += GOING
        shutil.rmtree(path)


def sha256(path: str) -> str:
    """Return the SHA-256 of a file, as hex digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
