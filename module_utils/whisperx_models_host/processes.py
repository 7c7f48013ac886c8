"""Which sets of a store of models running processes use.

A program reads its weights and closes them, but it was started with the set's path, or has files of it open
or mapped. A container may have the store in another place, so of its processes the end of the path counts;
of those that share this host's root the whole one does, for the host may have several stores.
"""

from __future__ import annotations

import os
from typing import Dict, Iterator, List, Sequence

from ..whisperx_common.proc import PROC, opened, others, read, root

__all__ = ["used"]


def used(folder: str, identities: Sequence[str], proc: str = PROC) -> Dict[str, int]:
    """Return set to the id of a process that uses it, of those among ``identities`` that any uses.

    ``folder``: the directory of the sets. What cannot be read, as of another user where this is not root, is
    taken for unused.
    """
    here = _marks(identities, folder, os.path.realpath(folder))
    elsewhere = _marks(identities, os.path.basename(folder))
    found: Dict[str, int] = {}
    ours = root("self", proc)
    for pid in others(proc):
        left = [name for name in identities if name not in found]
        if not left:
            break
        marks = here if root(pid, proc) == ours else elsewhere
        for text in _texts(pid, proc):
            for name in left:
                if any(mark in text for mark in marks[name]):
                    found.setdefault(name, pid)
    return found


def _marks(identities: Sequence[str], *folders: str) -> Dict[str, List[bytes]]:
    """Return set to the paths by which it is known in one of these folders."""
    return {name: [os.fsencode(os.path.join(top, name)) for top in folders] for name in identities}


def _texts(pid: int, proc: str) -> Iterator[bytes]:
    """Yield what says which files a process has: its mappings, environment, command and open files."""
    for name in ("maps", "environ", "cmdline"):
        yield read(pid, name, proc)
    yield from opened(pid, proc)
