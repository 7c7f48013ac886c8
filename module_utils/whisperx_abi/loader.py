"""Which file the loader takes for a library that an object needs.

In: the objects of an environment, the directories it is told to look in, the host's own (cache of ldconfig
and default directories). Out: for each need the file, or by which way it can come to be there all the same,
or nothing. Files are only listed, never run.

The order is that of glibc's elf/dl-load.c (_dl_map_object): DT_RPATH of the object and of those that led to
it, unless it has DT_RUNPATH; LD_LIBRARY_PATH; its own DT_RUNPATH; /etc/ld.so.cache; the default directories.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Dict, FrozenSet, List, Mapping, Optional, Set, Tuple

from ..whisperx_common import ldcache
from ..whisperx_problem import Problem
from .elf import Elf

__all__ = ["BY_PATH", "BY_PRELOAD", "BY_SYSTEM", "Found", "Libraries", "Search", "libraries"]

# How a library is found: on the path of the object or of LD_LIBRARY_PATH; among the system's; or nowhere, but
# a file of the environment has the name, and whoever loads it first lends it to all (torch's __init__ does).
BY_PATH, BY_SYSTEM, BY_PRELOAD = "path", "system", "preload"

# How far back is looked for objects that lead to one; real chains have a dozen.
_MOST_USERS = 512

_TRIPLETS = {
    "x86_64": "x86_64-linux-gnu",
    "aarch64": "aarch64-linux-gnu",
    "i686": "i386-linux-gnu",
    "ppc64le": "powerpc64le-linux-gnu",
    "s390x": "s390x-linux-gnu",
    "riscv64": "riscv64-linux-gnu",
    "arm": "arm-linux-gnueabihf",
}
# The parser of the cache names machines as `uname -m` does.
_CACHED = {"arm": "armv7l"}


@dataclass(frozen=True)
class Libraries:
    """What the host itself has: soname -> path from the loader's cache, and its default directories."""

    cache: Mapping[str, str]
    directories: Tuple[str, ...]
    lib: Tuple[str, ...] = ("lib64", "lib")


@dataclass(frozen=True)
class Found:
    """Where a need is met: ``way`` is BY_PATH, BY_SYSTEM or BY_PRELOAD."""

    way: str
    path: str


def libraries(machine: str, root: str = "/") -> Libraries:
    """Read what the host below ``root`` has; a cache that is absent or damaged counts as empty."""
    triplet = _TRIPLETS.get(machine, machine + "-linux-gnu")
    directories = tuple(
        os.path.join(root, name)
        for name in ("lib/" + triplet, "usr/lib/" + triplet, "lib64", "usr/lib64", "lib", "usr/lib")
    )
    cache: Dict[str, str] = {}
    try:
        with open(os.path.join(root, "etc/ld.so.cache"), "rb") as stream:
            entries = ldcache.parse(stream.read(), _CACHED.get(machine, machine), ("",))
    except (OSError, Problem):
        entries = []
    for name, path in entries:
        cache.setdefault(name, os.path.join(root, path.lstrip("/")))
    return Libraries(cache, directories, ("lib64", "lib", "lib/" + triplet))


class Search:
    """Finds libraries for the objects of one environment.

    ``objects`` maps paths to what was read there; ``path`` are the directories of LD_LIBRARY_PATH.
    """

    def __init__(self, objects: Mapping[str, Elf], path: Tuple[str, ...], host: Libraries) -> None:
        self._objects = objects
        self._path = path
        self.host = host
        self._names: Dict[str, FrozenSet[str]] = {}
        self._known: Dict[Tuple[str, str], Optional[Found]] = {}
        self._users: Dict[str, List[str]] = {}
        self._lenders: Dict[str, Tuple[str, ...]] = {}
        self._providers: Dict[str, List[str]] = {}
        for place, elf in objects.items():
            for name in {os.path.basename(place), elf.soname or ""} - {""}:
                self._providers.setdefault(name, []).append(place)
        for place, elf in objects.items():
            for name in elf.needed:
                found = self._directly(place, elf, name)
                if found is not None and found.way == BY_PATH:
                    target = found.path if found.path in objects else os.path.realpath(found.path)
                    self._users.setdefault(target, []).append(place)

    def needs(self, place: str) -> List[Tuple[str, Optional[Found]]]:
        """What the object at ``place`` needs, and where each is found."""
        return [(name, self.find(place, name)) for name in self._objects[place].needed]

    def find(self, place: str, name: str) -> Optional[Found]:
        """Find the library ``name`` for the object at ``place``."""
        elf = self._objects[place]
        found = self._directly(place, elf, name)
        if found is None and elf.runpath is None:
            found = self._in(self._inherited(place), name)
        return found or self._lent(name, elf.machine)

    def opened(self, name: str, machine: str) -> Optional[Found]:
        """Find a library that a program opens by its bare name."""
        return self._in(self._path, name) or self._of_host(name) or self._lent(name, machine)

    def providers(self, name: str) -> List[str]:
        """The files of the environment that have this name."""
        return self._providers.get(name, [])

    def _directly(self, place: str, elf: Elf, name: str) -> Optional[Found]:
        """What the object finds by itself; the same for all objects of a directory with the same paths."""
        origin = os.path.dirname(place)
        key = ("\0".join((origin, elf.rpath or "", elf.runpath or "")), name)
        if key not in self._known:
            if "/" in name:
                whole = os.path.normpath(os.path.join("/", name.replace("$ORIGIN", origin)))
                found = Found(BY_PATH, whole) if os.path.exists(whole) else None
            else:
                early = () if elf.runpath is not None else self._spelt_out(elf.rpath, origin)
                late = self._spelt_out(elf.runpath, origin)
                found = self._in(early + self._path + late, name) or self._of_host(name)
            self._known[key] = found
        return self._known[key]

    def _inherited(self, place: str) -> Tuple[str, ...]:
        """The RPATH directories of the objects that lead here; those with RUNPATH lend nothing."""
        if place in self._lenders:
            return self._lenders[place]
        found: Dict[str, None] = {}
        seen: Set[str] = {place}
        waiting = list(self._users.get(place, []))
        while waiting and len(seen) < _MOST_USERS:
            user = waiting.pop()
            if user in seen:
                continue
            seen.add(user)
            elf = self._objects[user]
            if elf.runpath is None:
                found.update(dict.fromkeys(self._spelt_out(elf.rpath, os.path.dirname(user))))
            waiting.extend(self._users.get(user, [])[:_MOST_USERS])
        self._lenders[place] = tuple(found)
        return self._lenders[place]

    def _lent(self, name: str, machine: str) -> Optional[Found]:
        for place in self._providers.get(name, []):
            if self._objects[place].machine == machine:
                return Found(BY_PRELOAD, place)
        return None

    def _of_host(self, name: str) -> Optional[Found]:
        cached = self.host.cache.get(name)
        if cached is not None and os.path.exists(cached):
            return Found(BY_SYSTEM, cached)
        found = self._in(self.host.directories, name)
        return Found(BY_SYSTEM, found.path) if found is not None else None

    def default(self, name: str) -> Optional[Found]:
        """Find a library among the system's own."""
        return self._of_host(name)

    def _in(self, directories: Tuple[str, ...], name: str) -> Optional[Found]:
        for directory in directories:
            if name in self._listing(directory) and os.path.exists(os.path.join(directory, name)):
                return Found(BY_PATH, os.path.normpath(os.path.join(directory, name)))
        return None

    def _listing(self, directory: str) -> FrozenSet[str]:
        if directory not in self._names:
            try:
                self._names[directory] = frozenset(os.listdir(directory))
            except OSError:
                self._names[directory] = frozenset()
        return self._names[directory]

    def _spelt_out(self, path: Optional[str], origin: str) -> Tuple[str, ...]:
        """The directories of an RPATH or RUNPATH; an empty entry, the current directory, is left out."""
        found: List[str] = []
        for entry in (path or "").split(":"):
            entry = entry.replace("${ORIGIN}", origin).replace("$ORIGIN", origin)
            for lib in self.host.lib if "LIB" in entry else ("",):
                spelt = entry.replace("${LIB}", lib).replace("$LIB", lib)
                if spelt.startswith("/"):
                    found.append(os.path.normpath(spelt))
        return tuple(found)
