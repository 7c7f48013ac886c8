"""How much room a build takes, asked before anything is downloaded."""

from __future__ import annotations

import os
from typing import Set

from ..whisperx_common import lockfile
from ..whisperx_common.files import read_text
from ..whisperx_common.standalone import Archive
from ..whisperx_problem import Problem
from ..whisperx_release.disk import MIB, Statvfs
from ..whisperx_release.disk import check_room as check_free
from ..whisperx_release.model import Layout, State
from . import shelf
from .model import Wanted
from .pythons import Tree

__all__ = ["check_room", "needed"]

# Bytes on disk per byte of wheel. WhisperX 3.8.6 with CUDA 12: 4.2 GB of wheels, 7.2 GB installed (1.71); uv
# unpacks while it downloads and keeps no wheel. The rest is for compiled Python.
_UNPACKED = 1.8
# Wheels from the site's wheelhouse are on the host whole until they are unpacked.
_WHOLE = 1.0
# Bytes on disk per byte of a Python's archive, compiled: 30 MB become 150.
_PYTHON = 5.0
# uv itself is 60 MB.
_SPARE = 128 * MIB


def needed(wanted: Wanted, state: State, layout: Layout, whole: bool = False) -> int:
    """Return how many bytes the wanted release adds to the disk.

    Wheels of the releases that are here lie unpacked in the cache and cost nothing again. Sizes that the lock
    does not know count as nothing. With ``whole``, wheels are brought before they are unpacked.
    """
    archive = wanted.archive
    python = (archive.size or 0) * _PYTHON if archive and not _there(layout, archive) else 0
    wheels = _download(wanted, state, layout, whole) * (_UNPACKED + (_WHOLE if whole else 0))
    return int(wheels + python) + _SPARE


def _there(layout: Layout, archive: Archive) -> bool:
    return os.path.isfile(Tree(layout, archive, archive.sha256).note)


def _download(wanted: Wanted, state: State, layout: Layout, whole: bool) -> int:
    """Return how many bytes of wheels are to be fetched."""
    present = _unpacked(state) if os.path.isdir(layout.cache) else set()
    present = shelf.unpacked(layout) if whole else present
    return sum(package.size or 0 for package in wanted.lock.packages if package.sha256 not in present)


def check_room(
    wanted: Wanted, state: State, layout: Layout, statvfs: Statvfs = os.statvfs, whole: bool = False
) -> None:
    """Raise Problem "env.disk-space" when the root's file system, or the cache's, is too small."""
    wish = needed(wanted, state, layout, whole)
    purpose = "{} MiB of wheels to fetch and unpack".format(
        -(-_download(wanted, state, layout, whole) // MIB)
    )
    for place, option in ((layout.root, "whisperx_venv_root"), (layout.cache, "whisperx_venv_cache")):
        check_free(place, wish, purpose, option, "env.disk-space", statvfs)


def _unpacked(state: State) -> Set[str]:
    """Return the SHA-256 of every wheel that a complete release was made of."""
    found: Set[str] = set()
    for release in state.releases.values():
        text = read_text(os.path.join(release.path, "requirements.txt")) if release.complete else None
        if text:
            try:
                found.update(package.sha256 for package in lockfile.parse(text).packages)
            except Problem:
                continue
    return found
