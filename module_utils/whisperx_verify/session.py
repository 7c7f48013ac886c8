"""The session of whoever calls: what of it keeps programs from working although the environment works.

Checks run with a home and caches of their own, so that their result does not depend on whose session asked.
What the caller's session adds to that is looked at here: home, caches, temporary files, LD_LIBRARY_PATH, and
how the file system of the environment is mounted. Reads only; the questions are asked as this process's user.
"""

from __future__ import annotations

import glob
import os
import pwd
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

__all__ = ["Condition", "conditions"]

# Bytes that a transcription may put into the directory for temporary files.
_TEMPORARY = 50 << 20
# Caches, and where each is without its variable: below XDG_CACHE_HOME, or below the home.
_CACHES = (
    ("HF_HOME", "XDG_CACHE_HOME", "huggingface"),
    ("TORCH_HOME", "XDG_CACHE_HOME", "torch"),
    ("NLTK_DATA", "", "nltk_data"),
    ("MPLCONFIGDIR", "XDG_CONFIG_HOME", "matplotlib"),
)
_BASES = {"XDG_CACHE_HOME": ".cache", "XDG_CONFIG_HOME": ".config"}
# Directories of a cache that are looked at: a run with sudo leaves some of them to root.
_MOST_DIRECTORIES = 300
_DEEPEST = 3
# Libraries that replace those of an environment when a directory of LD_LIBRARY_PATH has them.
_REPLACING = (
    "libstdc++.so*",
    "libctranslate2*",
    "libcudnn*",
    "libcublas*",
    "libcudart*",
    "libtorch*",
    "libpython3*",
)


class Condition(NamedTuple):
    """One thing about the session. ``kind``: home, cache, temporary, noexec or library-path; ``found``: a
    phrase that says what is wrong with ``where``."""

    kind: str
    found: str
    where: str


def conditions(places: Sequence[str], variables: Optional[Mapping[str, str]] = None) -> List[Condition]:
    """Return what is wrong in the session for a program of the environment at ``places`` (its directories).

    ``variables``: those of the session, this process's own by default.
    """
    given: Mapping[str, str] = os.environ if variables is None else variables
    found = list(_mounted(places))
    home, trouble = _home(given)
    if trouble is not None:
        found.append(trouble)
    # Where each cache has its own variable, nothing is kept in the home.
    found += [item for item in _caches(given, home) if item.where != (trouble.where if trouble else "")]
    found += list(_temporary(given))
    found += list(_library_path(given, places))
    return found


def _mounted(places: Sequence[str]) -> Iterator[Condition]:
    seen = set()
    for place in places:
        try:
            noexec = os.statvfs(place).f_flag & os.ST_NOEXEC
        except OSError:
            continue
        point = _mount_point(place)
        if noexec and point not in seen:
            seen.add(point)
            yield Condition("noexec", f"{point} is mounted noexec", point)


def _mount_point(path: str) -> str:
    path = os.path.realpath(path)
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return path


def _home(given: Mapping[str, str]) -> Tuple[str, Optional[Condition]]:
    """Return the home, "" for none, and what is wrong with it."""
    home = given.get("HOME", "")
    user = os.geteuid()
    if not home:
        try:
            home = pwd.getpwuid(user).pw_dir
        except KeyError:
            found = f"HOME is not set, and user id {user} has no entry in the password database"
            return "", Condition("home", found, "HOME")
    problem = _denied(home) if os.path.isdir(home) else "does not exist"
    return home, Condition("home", f"the home directory {home} {problem}", home) if problem else None


def _caches(given: Mapping[str, str], home: str) -> Iterator[Condition]:
    for name, base, directory in _CACHES:
        place = given.get(name, "").split(os.pathsep)[0]
        if not place:
            above = given.get(base, "") or (os.path.join(home, _BASES.get(base, "")) if home else "")
            place = os.path.join(above, directory) if above else ""
        if not place:
            continue
        nearest = place
        while not os.path.lexists(nearest) and nearest not in ("", "/"):
            nearest = os.path.dirname(nearest)
        if nearest == place:
            closed = next((path for path in _directories(place) if _denied(path)), "")
            if closed:
                yield Condition("cache", f"{closed} {_denied(closed)} ({name})", closed)
        elif not os.path.isdir(nearest) or _denied(nearest):
            problem = _denied(nearest) if os.path.isdir(nearest) else "is not a directory"
            yield Condition("cache", f"{place} cannot be made: {nearest} {problem} ({name})", nearest)


def _directories(top: str) -> Iterator[str]:
    """Yield ``top`` and the directories below it, nearest first; bounded."""
    waiting: List[Tuple[str, int]] = [(top, 0)]
    for number, (path, depth) in enumerate(waiting):
        yield path
        if depth == _DEEPEST or number >= _MOST_DIRECTORIES:
            continue
        try:
            with os.scandir(path) as entries:
                waiting += [(item.path, depth + 1) for item in entries if item.is_dir(follow_symlinks=False)]
        except OSError:
            continue


def _denied(path: str) -> str:
    """Return why this user cannot write in the directory, "" if it can."""
    if os.access(path, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        return ""
    try:
        if os.statvfs(path).f_flag & os.ST_RDONLY:
            return "is on a read-only file system"
        return f"cannot be written by user id {os.geteuid()}; it belongs to {_owner(os.stat(path).st_uid)}"
    except OSError as problem:
        return f"cannot be read: {problem.strerror}"


def _owner(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user id {user}"


def _temporary(given: Mapping[str, str]) -> Iterator[Condition]:
    named = [given[name] for name in ("TMPDIR", "TEMP", "TMP") if given.get(name)]
    places = [path for path in [*named, "/tmp", "/var/tmp"] if os.path.isdir(path) and not _denied(path)]
    if not places:
        yield Condition("temporary", "no directory for temporary files can be written", "TMPDIR")
        return
    state = os.statvfs(places[0])
    free = state.f_bavail * state.f_frsize
    if free < _TEMPORARY:
        yield Condition(
            "temporary", f"{places[0]} has {free >> 20} MB free, {_TEMPORARY >> 20} are used", places[0]
        )


def _library_path(given: Mapping[str, str], places: Sequence[str]) -> Iterator[Condition]:
    own = tuple(os.path.realpath(place) + os.sep for place in places)
    named: Dict[str, str] = {}
    for path in given.get("LD_LIBRARY_PATH", "").split(os.pathsep):
        if not path or (os.path.realpath(path) + os.sep).startswith(own or "\0"):
            continue
        for pattern in _REPLACING:
            libraries = glob.glob(os.path.join(glob.escape(path), pattern))
            if libraries:
                named.setdefault(path, os.path.basename(sorted(libraries)[0]))
    for path, library in named.items():
        yield Condition("library-path", f"LD_LIBRARY_PATH has {path}, with a {library} of its own", path)
