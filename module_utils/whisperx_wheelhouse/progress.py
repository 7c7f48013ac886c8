"""How far a download is, written to a small file that somebody with a terminal reads."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

__all__ = ["Progress"]

_EVERY_S = 0.5


class Progress:
    """Counts bytes and files of several threads. Without a path it only counts.

    The file is JSON: ``line``, to be displayed, and ``first``, to be displayed before any other.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.count = self.size = 0
        self.files = self.bytes = 0
        self._lock = threading.Lock()
        self._written = 0.0

    def begin(self, count: int, size: int) -> None:
        """Say how many files and bytes there will be, before the first of them."""
        self.count, self.size = count, size
        self._write(True)

    def add(self, size: int) -> None:
        """Count bytes that arrived, or negative ones that have to come again."""
        with self._lock:
            self.bytes += size
        self._write(False)

    def done(self) -> None:
        """Count a file."""
        with self._lock:
            self.files += 1
        self._write(True)

    def _write(self, now: bool) -> None:
        if self.path is None:
            return
        with self._lock:
            if not now and time.monotonic() - self._written < _EVERY_S:
                return
            self._written = time.monotonic()
            beside = self.path.with_suffix(".new")
            beside.write_text(json.dumps(self._words()))
            os.replace(beside, self.path)

    def _words(self) -> dict[str, str]:
        if not self.count:
            return {"line": ""}
        sizes = f"{self.bytes / 1e6:.0f} of {self.size / 1e6:.0f} MB"
        return {
            "first": f"wheelhouse: {self.count} files to download, {self.size / 1e6:.0f} MB",
            "line": f"wheelhouse: {sizes}, {self.files} of {self.count} files",
        }
