"""Target: which release is being made, on disk from the first byte of it until its record is.

Two things hang on it. A release that is named here is not complete, whatever lies in it: a wheel may have
brought a file with the name of our record. And when the host was started again since, the power may have
failed: what programs wrote meanwhile, and nobody synced, may be cut off or empty.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from ..whisperx_common import records
from ..whisperx_common.durable import sync_directory
from ..whisperx_common.files import discard, write_json
from ..whisperx_common.records import Schema, text, whole
from .model import Layout

__all__ = ["NAME", "Building", "begin", "end", "read"]

NAME = ".whisperx-fleet-building"

_NOTE = Schema({"release": text, "since": whole, "boot": text})
_BOOT = "/proc/sys/kernel/random/boot_id"


@dataclass(frozen=True)
class Building:
    """``release`` is the one being made, "" for none; ``since`` in nanoseconds since 1970, 0 if unknown.

    ``same_boot`` is whether the host has run since, so that nothing that was written can be lost.
    """

    release: str = ""
    since: int = 0
    same_boot: bool = True


def read(layout: Layout) -> Building:
    """Return what is being made, or was when a run was interrupted."""
    path = layout.path(NAME)
    if not os.path.lexists(path):
        return Building()
    noted = records.read(path, _NOTE) or {}
    boot = noted.get("boot")
    return Building(noted.get("release") or "", noted.get("since") or 0, bool(boot) and boot == _boot())


def begin(layout: Layout, release: str) -> None:
    """Note on disk that a release is being made. What an interrupted run left must have been seen to."""
    before = read(layout)
    since = before.since if before.release and before.same_boot else time.time_ns()
    noted = {"release": release, "since": since, "boot": _boot()}
    write_json(layout.path(NAME), noted, 0o600, layout.root)


def end(layout: Layout) -> None:
    """Note on disk that nothing is being made: the record of the release is on disk."""
    if os.path.lexists(layout.path(NAME)):
        discard(layout.path(NAME), layout.root)
        sync_directory(layout.root)


def _boot() -> str:
    """Return what tells one start of the host from another, "" where the kernel does not say."""
    try:
        with open(_BOOT, encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        return ""
