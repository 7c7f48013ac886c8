"""How far a build is, in a small file that somebody with a terminal has read over the connection."""

from __future__ import annotations

import re
import threading
from typing import Dict, Sequence

from .files import discard, write_json
from .lockfile import LockedPackage
from .names import normalise

__all__ = ["Progress"]

# What uv 0.13 says of a larger file, and of all of them. Where it says it otherwise, the numbers stand still.
_ONE = re.compile(r"\s*Downloaded (\S+)")
_ALL = re.compile(r"\s*Prepared \d+ packages? in")
# Steps that take long enough to be told: of a build on a host, then of an image.
_STEPS = {
    "build": "unpacking",
    "gate": "checking its shared objects",
    "verify": "verifying it",
    "base": "reading its base",
    "system": "installing the distribution's packages",
    "layers": "writing its layers",
    "push": "pushing it",
}


class Progress:
    """Counts packages and bytes of a build, and names its step. Without a path it writes nothing.

    The file is JSON: ``line``, to be displayed, ``name`` before it if there is one. It never stops a build: a
    file that cannot be written is given up.
    """

    def __init__(self, path: str = "", name: str = "") -> None:
        self.path = path
        self._before = "{}: ".format(name) if name else ""
        self._sizes: Dict[str, int] = {}
        self._step = ""
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
        """Take the step of the run that begins, such as `verify`; nothing of the one before is left."""
        self._step, self._left = kind, {}
        self._write()

    def end(self) -> None:
        """Remove the file."""
        if self.path:
            discard(self.path)

    def _write(self) -> None:
        if not self.path:
            return
        with self._lock:
            line = self._line()
            try:
                write_json(self.path, {"line": self._before + line if line else ""}, durable=False)
            except OSError:
                self.path = ""

    def _line(self) -> str:
        """Return how far it is, in words: what has to come, then what is there, then the step."""
        count, left = len(self._sizes), len(self._left)
        size, coming = sum(self._sizes.values()) / 1e6, sum(self._left.values()) / 1e6
        if not left:
            return _STEPS.get(self._step, "")
        if left == count:
            return "{} packages to download, at most {:.0f} MB".format(count, size)
        return "{:.0f} of {:.0f} MB, {} of {} packages".format(size - coming, size, count - left, count)
