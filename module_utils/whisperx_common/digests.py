"""A memory of SHA-256 digests, so that what did not change is not read again, and what did is.

A file's name proves nothing. Its digest is taken when it is used, unless size, times and place on the disk
are those with which it was taken before: an edit in place changes the time of the change of state, which
nobody can set back.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import tempfile
import threading
from typing import Any, Dict, List

__all__ = ["Digests"]

_BLOCK = 1 << 20


class Digests:
    """Remembers in the JSON file ``path``. Call `save` at the end; a memory that is lost costs time."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._known: Dict[str, List[Any]] = {}
        self._changed = False
        self._lock = threading.Lock()
        with contextlib.suppress(OSError, ValueError, RecursionError):
            with open(path, encoding="utf-8") as stream:
                known = json.load(stream)
            self._known = known if isinstance(known, dict) else {}

    def of(self, path: str) -> str:
        """Return a regular file's SHA-256 as hex digits, "" for anything else. Raises OSError.

        The file is opened once: what is looked at is what is read.
        """
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as stream:
            state = os.fstat(descriptor)
            if not stat.S_ISREG(state.st_mode):
                return ""
            mark = [state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns]
            known = self._known.get(path)
            if isinstance(known, list) and known[:-1] == mark:
                return str(known[-1])
            digest = hashlib.sha256()
            for block in iter(lambda: stream.read(_BLOCK), b""):
                digest.update(block)
        with self._lock:
            self._known[path] = [*mark, digest.hexdigest()]
            self._changed = True
        return digest.hexdigest()

    def save(self) -> None:
        """Write down what is remembered of files that are still there."""
        with self._lock:
            if not self._changed:
                return
            kept = {path: entry for path, entry in sorted(self._known.items()) if os.path.exists(path)}
            self._changed = False
        folder = os.path.dirname(os.path.abspath(self.path))
        with contextlib.suppress(OSError):
            os.makedirs(folder, exist_ok=True)
            descriptor, beside = tempfile.mkstemp(dir=folder)
            with open(descriptor, "w", encoding="utf-8") as stream:
                json.dump(kept, stream)
            os.replace(beside, self.path)
