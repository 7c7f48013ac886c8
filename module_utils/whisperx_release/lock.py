"""One run at a time on one root: an exclusive flock that ends with the process, however it ends."""

from __future__ import annotations

import contextlib
import os
from typing import Iterator

from ..whisperx_common.locking import Held, exclusive
from ..whisperx_problem import Problem
from .model import Layout

__all__ = ["held"]


@contextlib.contextmanager
def held(layout: Layout) -> Iterator[None]:
    """Hold the root's lock.

    Raises Problem "env.busy", with the other run's process id, when it is taken.
    """
    path = layout.path(".lock")
    try:
        with exclusive(path, layout.root) as descriptor:
            if not os.path.exists(path) or os.fstat(descriptor).st_ino != os.stat(path).st_ino:
                raise _busy(path, "another run has just removed everything", "Run again.")
            yield
    except Held as taken:
        found = "another run (process {}) is at work".format(taken.pid or "unknown")
        remedy = "Wait for it to end, then run again; a run that was killed holds no lock."
        raise _busy(path, found, remedy) from None


def _busy(path: str, found: str, remedy: str) -> Problem:
    return Problem("env.busy", found, path, "one run at a time on one root", remedy)
