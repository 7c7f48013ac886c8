"""Both sides: a lock that ends with the process that holds it, however it ends, and who holds it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
import time
from typing import Callable, Iterator, List, Tuple

from .beneath import parent

__all__ = ["Held", "alone_then_shared", "exclusive", "holder"]

_LOCKS = "/proc/locks"
# "1: FLOCK  ADVISORY  WRITE 1234 fd:00:5678 0 EOF"; a line with "->" is one that waits.
_LINE = re.compile(r"\d+: FLOCK\s+\S+\s+\S+\s+(-?\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) ")


class Held(Exception):
    """The lock is taken. ``pid`` is the process that holds it, 0 when nobody can tell."""

    def __init__(self, pid: int) -> None:
        super().__init__(pid)
        self.pid = pid


@contextlib.contextmanager
def exclusive(path: str, below: str = "") -> Iterator[int]:
    """Hold the lock file at ``path``, made when absent and for its owner alone; return its descriptor.

    A lock that others can open is one that others can hold. Raises Held, and OSError: ELOOP for a link.
    """
    with _opened(path, below) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Held(holder(descriptor)) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, "{}\n".format(os.getpid()).encode("ascii"), 0)
        yield descriptor


@contextlib.contextmanager
def alone_then_shared(
    path: str, alone: Callable[[], None], below: str = "", wait: float = 0
) -> Iterator[bool]:
    """Hold the lock file at ``path`` together with others, after ``alone`` was called while nobody else did.

    ``wait``: for how many seconds to wait for the others to end. Return whether ``alone`` was called: it is
    not where they take longer. Raises OSError: ELOOP for a link.
    """
    with _opened(path, below) as descriptor:
        only = _only_holder(descriptor, wait)
        if only:
            alone()
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield only


def _only_holder(descriptor: int, wait: float) -> bool:
    end = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
        time.sleep(0.2)


@contextlib.contextmanager
def _opened(path: str, below: str) -> Iterator[int]:
    with parent(path, below) as (within, name):
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(name, flags, 0o600, dir_fd=within)
    try:
        facts = os.fstat(descriptor)
        # Not again when it is so: whoever finds the lock taken leaves the file as it was, its times too.
        if facts.st_uid == os.geteuid() and stat.S_IMODE(facts.st_mode) != 0o600:
            os.fchmod(descriptor, 0o600)
        yield descriptor
    finally:
        os.close(descriptor)


def holder(descriptor: int) -> int:
    """Return the process that holds the lock of an open file: as the kernel has it, else as the file says.

    0 when neither tells (a process of another container has no number here).
    """
    facts = os.fstat(descriptor)
    found = _holders(facts.st_ino)
    device = (os.major(facts.st_dev), os.minor(facts.st_dev))
    # Some file systems (btrfs, overlayfs) show another device here than to stat.
    exact = [pid for where, pid in found if where == device] or [pid for _where, pid in found]
    if exact:
        return exact[0] if len(set(exact)) == 1 and exact[0] > 0 else 0
    noted = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
    return int(noted) if re.match(r"[0-9]+$", noted) else 0


def _holders(inode: int) -> List[Tuple[Tuple[int, int], int]]:
    """Return device and process of every lock on files with this inode number."""
    try:
        with open(_LOCKS, encoding="ascii", errors="replace") as stream:
            matches = [_LINE.match(line) for line in stream]
    except OSError:
        return []
    return [
        ((int(match.group(2), 16), int(match.group(3), 16)), int(match.group(1)))
        for match in matches
        if match and int(match.group(4)) == inode
    ]
