"""What a store of models holds, read cheaply: names, sizes and times, no contents.

The result is plain data. It comes with the facts of a host, so that a converged host is contacted once.
"""

from __future__ import annotations

import os
import re
import stat
from typing import Any, Dict, List, Optional, Set

from ..whisperx_common.files import GOING, names_in, read_json, read_text, sha256
from ..whisperx_problem import Problem
from ..whisperx_release import disk
from .model import MTIME, Layout, Wanted, want
from .processes import used

__all__ = ["SHAPE", "look", "read_set", "wrong"]

# The shape of a listing, for a reader who does not trust the host.
SHAPE: Dict[str, Any] = {
    "dir": "",
    "current": "",
    "whole": False,
    "models": {"*": ""},
    "files": [""],
    "doubtful": [""],
    "spare": [""],
    "loose": 0,
    "free": 0,
    "keep": 0,
    "hashes": False,
    "problem": "",
}
_DIGEST = re.compile(r"[0-9a-f]{64}")
_IDENTITY = re.compile(r"[0-9a-f]{16}")


def look(layout: Layout, keep: int = 1, hashes: bool = False) -> Dict[str, Any]:
    """Return what is in the store.

    ``current``: the active set, "" for none; ``whole``: whether every file of it is as it was placed;
    ``models``: its models to their revisions; ``files``: SHA-256 of the files that are there; ``doubtful``:
    of those that somebody wrote to, which have to be read; ``spare``: old sets, beyond the ``keep`` newest,
    that no process uses; ``loose``: how many files and leftovers belong to no set; ``free``: bytes. With
    ``hashes`` every file is read. Raises Problem "models.foreign-directory", OSError.
    """
    _check_ours(layout)
    there, doubtful = _files(layout, hashes)
    current = _current(layout)
    active = read_set(layout, current)
    sets = _sets(layout)
    spare = _spare(layout, sets, current, keep)
    kept = [found for name, found in sets.items() if found is not None and name not in spare]
    named = {one.sha256 for found in kept for one in found.files}
    half_built = [name for name in names_in(layout.path("sets")) if sets.get(name) is None]
    loose = sum(name not in named for name in names_in(layout.path("files"))) + len(half_built)
    return {
        "dir": layout.root,
        "current": current if active else "",
        "whole": active is not None
        and not wrong(layout, active)
        and not set(active.contents) & set(doubtful),
        "models": dict(active.models) if active else {},
        "files": sorted(there),
        "doubtful": sorted(doubtful),
        "spare": sorted(spare),
        "loose": loose,
        "free": _free(layout.root),
        "keep": keep,
        "hashes": hashes,
        "problem": "",
    }


def read_set(layout: Layout, identity: str) -> Optional[Wanted]:
    """Return a set by its manifest, None where there is none, or one that is not of this name."""
    if _IDENTITY.fullmatch(identity) is None:
        return None
    try:
        found = want(read_json(layout.manifest(identity)))
    except Problem:
        return None
    return found if found.identity == identity else None


def wrong(layout: Layout, active: Wanted) -> List[str]:
    """Return the paths of a set that are not as they were placed: absent, of another size, written to."""
    found = []
    for one in active.files:
        state = _state(layout.path("sets", active.identity, one.path))
        if state is None or state.st_size != one.size or int(state.st_mtime) != MTIME:
            found.append(one.path)
    for folder, revision in active.revisions.items():
        path = os.path.join("hub", folder, "refs", "main")
        if read_text(layout.path("sets", active.identity, path)) != revision:
            found.append(path)
    return found


def _check_ours(layout: Layout) -> None:
    """Raise Problem "models.foreign-directory" where something is that this toolkit did not make."""
    if not os.path.lexists(layout.root) or os.path.isfile(layout.marker):
        return
    names = [name for name in names_in(layout.root) if name != ".lock" and not name.endswith(".new")]
    if names or not os.path.isdir(layout.root):
        raise Problem(
            "models.foreign-directory",
            "a directory with other contents ({})".format(", ".join(sorted(names)[:5]) or "a file"),
            layout.root,
            "an absent or empty directory, or a store of models that this toolkit made",
            "Set whisperx_models_dir to another path, or move that directory away.",
        )


def _files(layout: Layout, hashes: bool) -> tuple[set[str], set[str]]:
    """Return the SHA-256 of the files that are as they were placed, and of those that may not be."""
    there: Set[str] = set()
    doubtful: Set[str] = set()
    for name in names_in(layout.path("files")):
        if _DIGEST.fullmatch(name) is None:
            continue
        state = _state(layout.file(name))
        sound = state is not None and int(state.st_mtime) == MTIME
        if sound and hashes:
            sound = sha256(layout.file(name)) == name
        (there if sound else doubtful).add(name)
    return there, doubtful


def _sets(layout: Layout) -> Dict[str, Optional[Wanted]]:
    """Return every directory of sets/ by name; None for one that was never finished."""
    return {
        name: read_set(layout, name) for name in names_in(layout.path("sets")) if not name.endswith(GOING)
    }


def _spare(layout: Layout, sets: Dict[str, Optional[Wanted]], current: str, keep: int) -> List[str]:
    """Return the sets that go: not active, not among the newest, and used by no process."""
    complete = [name for name, found in sets.items() if found is not None]
    complete.sort(key=lambda name: os.stat(layout.manifest(name)).st_mtime, reverse=True)
    others = [name for name in complete if name != current]
    old = others[max(0, keep - 1) :] if current else others
    busy = used(layout.path("sets"), old) if old else {}
    return [name for name in old if name not in busy]


def _current(layout: Layout) -> str:
    try:
        return os.path.basename(os.readlink(layout.current))
    except OSError:
        return ""


def _state(path: str) -> Optional[os.stat_result]:
    """Return the state of an ordinary file, None for anything else."""
    try:
        state = os.lstat(path)
    except OSError:
        return None
    return state if stat.S_ISREG(state.st_mode) else None


def _free(path: str) -> int:
    answer = os.statvfs(disk.existing(path))
    return answer.f_bavail * answer.f_frsize
