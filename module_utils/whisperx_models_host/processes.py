"""Which sets of models running processes use.

A program reads its weights and closes them, but it was started with the set's path, or has files of it open
or mapped. A process of a container has the same paths.
"""

from __future__ import annotations

from typing import Dict, Iterator, Sequence

from ..whisperx_common.proc import PROC, opened, others, read

__all__ = ["used"]


def used(identities: Sequence[str], proc: str = PROC) -> Dict[str, int]:
    """Return set to the id of a process that uses it, of those among ``identities`` that any uses.

    What cannot be read, as of another user where this is not root, is taken for unused.
    """
    marks = {name: "sets/{}".format(name).encode("ascii") for name in identities}
    found: Dict[str, int] = {}
    for pid in others(proc):
        left = [name for name in marks if name not in found]
        if not left:
            break
        for text in _texts(pid, proc):
            for name in left:
                if marks[name] in text:
                    found.setdefault(name, pid)
    return found


def _texts(pid: int, proc: str) -> Iterator[bytes]:
    """Yield what says which files a process has: its mappings, environment, command and open files."""
    for name in ("maps", "environ", "cmdline"):
        yield read(pid, name, proc)
    yield from opened(pid, proc)
