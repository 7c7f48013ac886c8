"""How far a build is, in a small file that somebody with a terminal has read over the connection."""

from __future__ import annotations

import json
import os
import re
import threading
from typing import Dict, Sequence

from .files import discard
from .lockfile import LockedPackage, normalise

__all__ = ["Progress"]

# What uv 0.13 says of a larger file, and of all of them. Where it says it otherwise, the numbers stand still.
_ONE = re.compile(r"\s*Downloaded (\S+)")
_ALL = re.compile(r"\s*Prepared \d+ packages? in")


class Progress:
    """Counts packages and bytes of a build, and names its step. Without a path it writes nothing.

    The file is JSON: ``step``, ``count`` and ``size`` (bytes) of what has to come, ``packages`` and ``bytes``
    of what is there. It never stops a build: a file that cannot be written is given up.
    """

    def __init__(self, path: str = "") -> None:
        self.path = path
        self._sizes: Dict[str, int] = {}
        self._state: Dict[str, object] = {"step": "", "count": 0, "size": 0, "packages": 0, "bytes": 0}
        self._left: Dict[str, int] = {}
        self._lock = threading.Lock()

    def begin(self, packages: Sequence[LockedPackage]) -> None:
        """Say what has to come, before the first byte of it."""
        self._left = {package.name: package.size or 0 for package in packages}
        self._sizes = dict(self._left)
        self._write()

    def done(self, name: str) -> None:
        """Count a package that has come."""
        with self._lock:
            self._left.pop(name, None)
        self._write()

    def hear(self, line: str) -> None:
        """Take a line of what uv says."""
        one = _ONE.match(line)
        if one:
            self.done(normalise(one.group(1)))
        elif _ALL.match(line):
            self._left = {}
            self._write()

    def step(self, kind: str) -> None:
        """Take the step of the run that begins, such as `verify`."""
        self._state["step"] = kind
        self._write()

    def end(self) -> None:
        """Remove the file."""
        if self.path:
            discard(self.path)

    def _write(self) -> None:
        if not self.path:
            return
        with self._lock:
            size, left = sum(self._sizes.values()), sum(self._left.values())
            self._state.update(count=len(self._sizes), size=size, bytes=size - left)
            self._state.update(packages=len(self._sizes) - len(self._left))
            try:
                with open(self.path + ".new", "w", encoding="utf-8") as stream:
                    json.dump(self._state, stream)
                os.replace(self.path + ".new", self.path)
            except OSError:
                self.path = ""
