"""Which sets of models running processes use.

A program reads its weights and closes them, but it was started with the set's path, or has files of it open
or mapped. A process of a container has the same paths.
"""

from __future__ import annotations

import contextlib
import os
from typing import Dict, Iterator, Sequence

__all__ = ["used"]

_LARGEST = 16 << 20  # bytes of one file below /proc


def used(identities: Sequence[str], proc: str = "/proc") -> Dict[str, int]:
    """Return set to the id of a process that uses it, of those among ``identities`` that any uses.

    What cannot be read, as of another user where this is not root, is taken for unused.
    """
    marks = {name: "sets/{}".format(name).encode("ascii") for name in identities}
    found: Dict[str, int] = {}
    for pid in _processes(proc):
        left = [name for name in marks if name not in found]
        if not left:
            break
        for text in _texts(os.path.join(proc, str(pid))):
            for name in left:
                if marks[name] in text:
                    found.setdefault(name, pid)
    return found


def _processes(proc: str) -> Iterator[int]:
    for name in os.listdir(proc):
        if name.isdecimal() and int(name) != os.getpid():
            yield int(name)


def _texts(folder: str) -> Iterator[bytes]:
    """Yield what says which files a process has: its mappings, environment, command and open files."""
    for name in ("maps", "environ", "cmdline"):
        with contextlib.suppress(OSError), open(os.path.join(folder, name), "rb") as stream:
            yield stream.read(_LARGEST)
    with contextlib.suppress(OSError):
        for name in os.listdir(os.path.join(folder, "fd")):
            with contextlib.suppress(OSError):
                yield os.readlink(os.path.join(folder, "fd", name)).encode("utf-8", "surrogateescape")
