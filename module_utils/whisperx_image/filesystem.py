"""What the layers are made of: the file system that an engine exports, and the tree of the environment."""

from __future__ import annotations

import csv
import fnmatch
import io
import os
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..whisperx_common.files import read_text
from ..whisperx_common.names import normalise
from .layer import Entry, gone, stamped

__all__ = ["SHARED", "added", "exported", "grouped", "owners", "walk"]

# The one place of the packages' files, the same for every release: what did not change between two releases
# lies at the same path, and so in the same layer.
SHARED = "shared"

# Made by engines for a running container, or left over by package managers: no part of an image, or different
# after every build.
_LEFT_OUT = (
    ".dockerenv",
    "dev/*",
    "etc/hostname",
    "etc/hosts",
    "etc/mtab",
    "etc/resolv.conf",
    "opt/whisperx",
    "opt/whisperx/*",
    "proc/*",
    "root/.cache",
    "root/.cache/*",
    "run/*",
    "sys/*",
    "tmp/*",
    "var/cache/*",
    "var/lib/apt/lists/*",
    "var/lib/dnf/history*",
    "var/lib/dpkg/*-old",
    "var/lib/dpkg/lock*",
    "var/log/*",
    "var/tmp/*",
)
_OUT = re.compile("|".join(fnmatch.translate(pattern) for pattern in _LEFT_OUT))
_DIST_INFO = re.compile(r"(?P<name>[^-/]+)-[^-/]+\.dist-info$")


def exported(path: str) -> dict[str, Entry]:
    """Read the tar that an engine exported; return path -> entry. A hard link becomes a file of its own.

    tarfile.TarError or OSError for what is no tar.
    """
    found: dict[str, Entry] = {}
    with tarfile.open(path, "r:") as archive:
        for member in archive:
            entry = _entry(member, path, found)
            if entry is not None and not _OUT.fullmatch(entry.path):
                found[entry.path] = entry
    return found


def _entry(member: tarfile.TarInfo, path: str, found: Mapping[str, Entry]) -> Any:
    name = os.path.normpath(member.name).lstrip("/")
    common: Any = {
        "mode": member.mode & 0o7777,
        "uid": member.uid,
        "gid": member.gid,
        "mtime": int(member.mtime),
    }
    if name in (".", ""):
        return None
    if member.isdir():
        return Entry(name, "dir", **common)
    if member.issym():
        return Entry(name, "link", target=member.linkname, **{**common, "mode": 0o777})
    if member.islnk():
        first = found.get(os.path.normpath(member.linkname).lstrip("/"))
        if first is None:
            return None
        return Entry(name, "file", size=first.size, source=path, offset=first.offset, **common)
    if member.isreg():
        return Entry(name, "file", size=member.size, source=path, offset=member.offset_data, **common)
    return None


def added(before: Mapping[str, Entry], after: Mapping[str, Entry], newest: int) -> list[Entry]:
    """Return what turns one file system into another: new, changed, and hidden paths.

    What was made at ``newest`` (seconds since 1970) or later gets the fixed time: a package's own files keep
    theirs, which is the same in every build.
    """
    changed = [
        stamped(entry, newest)
        for path, entry in after.items()
        if path not in before or _differs(before[path], entry)
    ]
    hidden = [gone(path) for path in before if path not in after and not _parent_is_gone(path, before, after)]
    return changed + hidden


def _parent_is_gone(path: str, before: Mapping[str, Entry], after: Mapping[str, Entry]) -> bool:
    parent = os.path.dirname(path)
    return parent in before and parent not in after


def _differs(old: Entry, new: Entry) -> bool:
    if (old.kind, old.mode, old.uid, old.gid, old.target, old.size) != (
        (new.kind, new.mode, new.uid, new.gid, new.target, new.size)
    ):
        return True
    return old.kind == "file" and old.mtime != new.mtime and old.sha256() != new.sha256()


def walk(root: str, inside: str, left_out: Sequence[str] = ()) -> Iterator[Entry]:
    """Yield what is below the directory ``root`` of this machine, as it shall lie below ``inside``.

    Owner, mode and time are made the same for all: root's, executable or not, fixed. ``left_out``: patterns
    of paths relative to ``root``.
    """
    out = re.compile("|".join(fnmatch.translate(pattern) for pattern in left_out) or r"(?!)")
    for directory, directories, files in os.walk(root):
        for name in sorted(directories + files):
            path = os.path.join(directory, name)
            relative = os.path.relpath(path, root)
            if out.fullmatch(relative):
                if name in directories:
                    directories.remove(name)
                continue
            place = f"{inside}/{relative}"
            if os.path.islink(path):
                yield Entry(place, "link", mode=0o777, target=os.readlink(path))
            elif os.path.isdir(path):
                yield Entry(place, "dir")
            elif os.path.isfile(path):
                state = os.stat(path)
                mode = 0o755 if state.st_mode & 0o100 else 0o644
                yield Entry(place, "file", mode=mode, size=state.st_size, source=path)


def owners(site_packages: str) -> dict[str, str]:
    """Return path relative to site-packages -> the package that its RECORD says it belongs to."""
    found: dict[str, str] = {}
    for name in sorted(os.listdir(site_packages)):
        match = _DIST_INFO.match(name)
        text = read_text(os.path.join(site_packages, name, "RECORD")) if match else None
        if match and text:
            package = normalise(match.group("name"))
            for row in csv.reader(io.StringIO(text)):
                if row:
                    found[row[0]] = package
            found[f"{name}/RECORD"] = package
    return found


def grouped(
    paths: Sequence[str], belongs: Mapping[str, str], layers: Sequence[tuple[str, Sequence[str]]]
) -> dict[str, str]:
    """Return path -> name of its layer, "" for what no layer names.

    ``layers``: name and patterns of packages, the first that fits counts. A compiled module goes with its
    source.
    """
    named: dict[str, str] = {}
    found: dict[str, str] = {}
    for path in paths:
        package = belongs.get(path) or belongs.get(_source_of(path), "")
        if package not in named:
            named[package] = next(
                (
                    what
                    for what, patterns in layers
                    if package and any(fnmatch.fnmatchcase(package, pattern) for pattern in patterns)
                ),
                "",
            )
        found[path] = named[package]
    return found


def _source_of(path: str) -> str:
    """Return a/b.py for a/__pycache__/b.cpython-312.pyc."""
    directory, name = os.path.split(path)
    if os.path.basename(directory) != "__pycache__":
        return ""
    return os.path.join(os.path.dirname(directory), name.partition(".")[0] + ".py")
