"""Other users of this machine, for tests that run as root: a deed done as one of them, in a child process."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["DAEMON", "NOBODY", "as_user", "open_directory", "succeeds_as"]

# Accounts that every Linux has, and whose first group has no other member.
DAEMON, NOBODY = 1, 65534


@contextmanager
def open_directory() -> Iterator[Path]:
    """A directory of root's below /tmp that everybody may enter; pytest's own are closed to others."""
    path = Path(tempfile.mkdtemp(prefix="whisperx-users-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)


def as_user(uid: int, deed: Callable[[], int]) -> int:
    """Do something as ``uid``, with the group of that number alone; return what it returned, below 100."""
    child = os.fork()
    if child == 0:
        code = 100
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            code = deed()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def succeeds_as(uid: int, *deeds: Callable[[], object]) -> bool:
    """Tell whether one of the deeds is allowed to that user."""

    def attempt() -> int:
        for deed in deeds:
            try:
                deed()
            except OSError:
                continue
            return 1
        return 0

    return as_user(uid, attempt) == 1
