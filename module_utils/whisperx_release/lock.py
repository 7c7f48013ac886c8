"""One run at a time on one root: an exclusive flock that ends with the process, however it ends."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import Iterator

from ..whisperx_common.locking import Held, exclusive
from ..whisperx_problem import Problem
from .model import Layout

__all__ = ["held"]

# What opening or emptying the lock file says where something else lies in its place.
_NO_FILE = (errno.EISDIR, errno.ELOOP, errno.ENXIO, errno.EINVAL)


@contextlib.contextmanager
def held(layout: Layout) -> Iterator[int]:
    """Hold the root's lock; return its descriptor. The lock lasts until every program that got it has ended.

    Raises Problem "env.busy", with the other run's process id, when it is taken, "env.lock-file" when
    something else than a file is in its place.
    """
    path = layout.path(".lock")
    with contextlib.ExitStack() as stack:
        yield _take(stack, layout, path)


def _take(stack: contextlib.ExitStack, layout: Layout, path: str) -> int:
    descriptor = -1
    try:
        descriptor = stack.enter_context(exclusive(path, layout.root))
        gone = not os.path.exists(path) or os.fstat(descriptor).st_ino != os.stat(path).st_ino
    except FileNotFoundError:
        gone = True
    except Held as taken:
        found = "another run (process {}) is at work".format(taken.pid or "unknown")
        remedy = "Wait for it to end, then run again; a run that was killed holds no lock."
        raise _busy(path, found, remedy) from None
    except OSError as error:
        if error.errno not in _NO_FILE:
            raise
        raise Problem(
            "env.lock-file",
            "something that is no ordinary file",
            path,
            "the lock file of this root, or nothing",
            "Remove it, then run again.",
        ) from None
    if gone:
        raise _busy(path, "another run has just removed everything", "Run again.")
    return descriptor


def _busy(path: str, found: str, remedy: str) -> Problem:
    return Problem("env.busy", found, path, "one run at a time on one root", remedy)
