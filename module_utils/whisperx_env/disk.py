"""Is there room, and may we write? Asked before anything is downloaded."""

from __future__ import annotations

import os
from typing import Callable, Mapping, Set

from ..whisperx_common import lockfile
from ..whisperx_common.files import read_text
from ..whisperx_problem import Problem
from .model import Layout, State, Wanted

__all__ = ["check_room", "check_writable", "existing", "needed"]

_MIB = 1024 * 1024
# Bytes on disk per byte of wheel. WhisperX 3.8.6 with CUDA 12: 4.2 GB of wheels, 7.2 GB installed (1.71); uv
# unpacks while it downloads and keeps no wheel. The rest is for compiled Python.
_UNPACKED = 1.8
# Wheels from the site's wheelhouse are on the host whole until they are unpacked.
_WHOLE = 1.0
# uv itself is 60 MB.
_SPARE = 128 * _MIB

Statvfs = Callable[[str], os.statvfs_result]


def needed(wanted: Wanted, state: State, layout: Layout, whole: bool = False) -> int:
    """Return how many bytes the wanted release adds to the disk.

    Wheels of the releases that are here lie unpacked in the cache and cost nothing again. Sizes that the lock
    does not know count as nothing. With ``whole``, wheels are brought before they are unpacked.
    """
    return int(_download(wanted, state, layout, whole) * (_UNPACKED + (_WHOLE if whole else 0))) + _SPARE


def _download(wanted: Wanted, state: State, layout: Layout, whole: bool) -> int:
    """Return how many bytes of wheels are to be fetched."""
    present = _unpacked(state) if os.path.isdir(layout.cache) else set()
    present = set(state.unpacked) if whole else present
    return sum(package.size or 0 for package in wanted.lock.packages if package.sha256 not in present)


def check_room(
    wanted: Wanted, state: State, layout: Layout, statvfs: Statvfs = os.statvfs, whole: bool = False
) -> None:
    """Raise Problem "env.disk-space" when the root's file system, or the cache's, is too small."""
    wish = needed(wanted, state, layout, whole)
    for place, option in ((layout.root, "whisperx_venv_root"), (layout.cache, "whisperx_venv_cache")):
        place = existing(place)
        answer = statvfs(place)
        room = answer.f_bavail * answer.f_frsize
        if room < wish:
            raise Problem(
                "env.disk-space",
                "{} MiB free".format(room // _MIB),
                place,
                "{} MiB, for {} MiB of wheels to fetch and unpack".format(
                    -(-wish // _MIB), -(-_download(wanted, state, layout, whole) // _MIB)
                ),
                "Free some space, or set {} to a larger file system.".format(option),
            )


def check_writable(paths: Mapping[str, str], statvfs: Statvfs = os.statvfs) -> None:
    """Check that each directory (path -> the option that sets it) can be written, or made.

    Raises Problem "env.read-only", "env.no-exec" or "env.not-writable".
    """
    for path, option in paths.items():
        place = existing(path)
        flags = statvfs(place).f_flag
        if flags & os.ST_NOEXEC and option == "whisperx_venv_root":
            raise Problem(
                "env.no-exec",
                "a file system mounted with noexec",
                place,
                "one that programs and libraries can be loaded from",
                "Remount it with exec, or set {} to another path.".format(option),
            )
        if flags & os.ST_RDONLY:
            raise Problem(
                "env.read-only",
                "a read-only file system",
                place,
                "one that can be written",
                "Remount it read-write, or set {} to another path.".format(option),
            )
        if not os.access(place, os.W_OK | os.X_OK):
            raise Problem(
                "env.not-writable",
                "a directory that user id {} may not write".format(os.geteuid()),
                place,
                "a directory to write in",
                "Run as root (become: true), or set {} to another path.".format(option),
            )


def existing(path: str) -> str:
    """Return the path or its nearest parent that exists."""
    while not os.path.isdir(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


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
