"""One run at a time on one root: an exclusive flock that ends with the process, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import Iterator

from ..whisperx_problem import Problem
from .model import Layout

__all__ = ["held"]


@contextlib.contextmanager
def held(layout: Layout) -> Iterator[None]:
    """Hold the root's lock.

    Raises Problem "env.busy", with the other run's process id, when it is taken.
    """
    path = layout.path(".lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            raise Problem(
                "env.busy",
                "another run (process {}) is at work".format(holder),
                path,
                "one run at a time on one root",
                "Wait for it to end, then run again; a run that was killed holds no lock.",
            ) from None
        if not os.path.exists(path) or os.fstat(descriptor).st_ino != os.stat(path).st_ino:
            raise Problem(
                "env.busy",
                "another run has just removed everything",
                path,
                "one run at a time on one root",
                "Run again.",
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, "{}\n".format(os.getpid()).encode("ascii"), 0)
        yield
    finally:
        os.close(descriptor)
