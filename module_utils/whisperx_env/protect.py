"""Target: names in a release that are ours. A wheel that writes onto one of them is refused.

A wheel's data may go anywhere in the environment. One that brings a `release.json` would make a release look
complete that was never checked; one that brings `launch/whisperx` or `bin/python` would be run instead.
"""

from __future__ import annotations

import os
import stat
from typing import Dict, Iterator, List, Optional, Tuple

from ..whisperx_common.files import read_text
from ..whisperx_placed.sources import NAMES
from ..whisperx_problem import Problem
from ..whisperx_release.state import RECORD
from .integrity import MANIFEST
from .wheel_record import rows

__all__ = ["Seen", "check", "look", "refusal"]

# Directly in the release; the lock is uv's, which makes it itself, empty.
_OURS = (RECORD, MANIFEST, "launch", "requirements.txt", "pyvenv.cfg")
_LOCK = ".lock"
_SHOWN = 3

# Relative path -> what it was, None for absent.
Seen = Dict[str, Optional[Tuple[int, ...]]]


def look(path: str) -> Seen:
    """Return what of ours is in a release before packages are installed into it."""
    return {name: _facts(os.path.join(path, name)) for name in [*_OURS, *_interpreters(path)]}


def check(path: str, site_packages: str, before: Seen) -> None:
    """Raise Problem "env.wheel-files" when something of ours is not as ``look`` returned it."""
    claimed = sorted(set(_claimed(path, site_packages)))
    changed = sorted(name for name, facts in before.items() if _facts(os.path.join(path, name)) != facts)
    lock = _facts(os.path.join(path, _LOCK))
    if lock is not None and not (stat.S_ISREG(lock[0]) and lock[1] == 0):
        changed.append(_LOCK)
    if not claimed and not changed:
        return
    named = ["{} writes {}".format(package, name) for package, name in claimed]
    shown = named or ["{} was written by a package".format(name) for name in changed]
    more = "; and {} more".format(len(shown) - _SHOWN) if shown[_SHOWN:] else ""
    raise refusal("; ".join(shown[:_SHOWN]) + more, path)


def refusal(found: str, where: str) -> Problem:
    """Return what is wrong with a wheel that claims a name of ours."""
    return Problem(
        "env.wheel-files",
        found,
        where,
        "packages that write nothing onto the names that this toolkit keeps in a release",
        "Do not install that package: no honest one has such a file. Find out where its wheel comes from.",
    )


def _claimed(path: str, site_packages: str) -> Iterator[Tuple[str, str]]:
    """Return (package, relative path) of every file of ours that a package lists as its own."""
    try:
        infos = sorted(name for name in os.listdir(site_packages) if name.endswith(".dist-info"))
    except FileNotFoundError:
        return
    for info in infos:
        text = read_text(os.path.join(site_packages, info, "RECORD")) or ""
        for row in rows(text):
            if row and os.path.normpath(row[0]).partition(os.sep)[0] in NAMES:
                yield info.rpartition(".")[0], row[0]
            if row and (row[0].startswith(os.pardir) or os.path.isabs(row[0])):
                name = os.path.relpath(os.path.normpath(os.path.join(site_packages, row[0])), path)
                if name.partition(os.sep)[0] in (*_OURS, _LOCK) or _is_interpreter(name):
                    yield info.rpartition(".")[0], name


def _interpreters(path: str) -> List[str]:
    """Return the interpreters of an environment, relative to it."""
    try:
        names = os.listdir(os.path.join(path, "bin"))
    except FileNotFoundError:
        return ["bin/python"]
    return sorted("bin/" + name for name in names if _is_interpreter("bin/" + name))


def _is_interpreter(name: str) -> bool:
    stem, _separator, rest = name.partition("bin/python")
    return not stem and name.startswith("bin/python") and not rest.strip("0123456789.")


def _facts(path: str) -> Optional[Tuple[int, ...]]:
    """Return mode, size, date and number of a file, None when it is absent."""
    try:
        facts = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return (facts.st_mode, facts.st_size, facts.st_mtime_ns, facts.st_ino)
