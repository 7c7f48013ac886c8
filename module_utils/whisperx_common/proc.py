"""Target: what /proc says of processes, as bytes; what cannot be read is empty: gone, another's.

Source: proc(5).
"""

from __future__ import annotations

import os
from typing import List, Tuple, Union

__all__ = ["PROC", "every", "link", "opened", "others", "read", "root"]

PROC = "/proc"
# Bytes of one file; the mappings of a process of WhisperX take less than one million.
_MOST = 64 << 20


def every(proc: str = PROC) -> List[int]:
    """Return the ids of all processes, in order."""
    return sorted(int(name) for name in os.listdir(proc) if name.isdecimal())


def others(proc: str = PROC) -> List[int]:
    """Return the ids of all processes but this one, in order."""
    return [pid for pid in every(proc) if pid != os.getpid()]


def read(pid: int, name: str, proc: str = PROC) -> bytes:
    """Return a file of a process."""
    try:
        with open(os.path.join(proc, str(pid), name), "rb") as stream:
            return stream.read(_MOST)
    except OSError:
        return b""


def link(pid: int, name: str, proc: str = PROC) -> bytes:
    """Return where a link of a process leads."""
    try:
        return os.readlink(os.fsencode(os.path.join(proc, str(pid), name)))
    except OSError:
        return b""


def opened(pid: int, proc: str = PROC) -> List[bytes]:
    """Return the paths of the files that a process has open."""
    try:
        names = os.listdir(os.path.join(proc, str(pid), "fd"))
    except OSError:
        return []
    return [link(pid, os.path.join("fd", name), proc) for name in names]


def root(pid: Union[int, str], proc: str = PROC) -> Tuple[int, int]:
    """Return device and inode of the root directory of a process; ``pid``: also "self". (0, 0): not known."""
    try:
        found = os.stat(os.path.join(proc, str(pid), "root"))
    except OSError:
        return (0, 0)
    return (found.st_dev, found.st_ino)
