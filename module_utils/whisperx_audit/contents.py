"""Packages against the lock, and files against the RECORD that each package brought.

Sizes are compared of every file. Contents are compared of files whose time stamp is newer than the release
(an editor leaves one), or of all when that is asked. Compiled Python that programs leave behind is no
difference; other files that no package recorded are told.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import os
from dataclasses import dataclass, field
from typing import Iterator, List, Optional, Set, Tuple

from ..whisperx_common import lockfile
from ..whisperx_common.files import read_text
from ..whisperx_common.wording import named
from ..whisperx_env import integrity
from ..whisperx_env.additions import by_whom
from ..whisperx_placed.sources import NAMES
from ..whisperx_problem import Problem
from ..whisperx_release.model import Release
from .model import BREAKS, DRIFTED, Item

__all__ = ["Files", "compare", "files", "packages"]

# Contents compared without being asked for all: enough for an edited library, bounded where all are newer.
_MOST_BYTES = 512 << 20
# Seconds between the last file of an installation and its record; later changes are somebody's.
_SLACK = 5
_SHOWN = 4
# From site-packages this leads out of the environment.
_OUTSIDE = os.path.join(*[os.pardir] * 4)
# What uv and this toolkit put into every environment themselves.
_OWN = ("_virtualenv.py", "_virtualenv.pth", *NAMES)


@dataclass
class Files:
    """File names, relative to site-packages. ``unread`` files were too many to compare their contents."""

    checked: int = 0
    gone: List[str] = field(default_factory=list)
    edited: List[str] = field(default_factory=list)
    added: List[str] = field(default_factory=list)
    unread: List[str] = field(default_factory=list)


def packages(release: Release) -> Iterator[Item]:
    """Yield what is installed otherwise than the release's lock says."""
    try:
        text = read_text(os.path.join(release.path, "requirements.txt"))
        locked = lockfile.parse(text or "", "requirements.txt").versions
    except (Problem, UnicodeDecodeError):
        locked = {str(name): str(version) for name, version in dict(release.value("versions", {})).items()}
    found = integrity.packages(release.site_packages)
    gone = sorted(set(locked) - set(found))
    added = sorted(set(found) - set(locked))
    other = sorted(name for name in set(locked) & set(found) if locked[name] != found[name])
    again = "Run site.yml: it builds the environment again beside this one and switches."
    if gone:
        told = ["{} {}".format(name, locked[name]) for name in gone]
        yield _item("audit.package-gone", BREAKS, "packages", "removed: " + _listed(told), again, gone)
    if other:
        told = ["{} {} (locked {})".format(name, found[name], locked[name]) for name in other]
        yield _item("audit.package-version", DRIFTED, "packages", "replaced: " + _listed(told), again, other)
    if added:
        told = ["{} {}{}".format(name, found[name], by_whom(release, name, found[name])) for name in added]
        yield _item(
            "audit.package-added", DRIFTED, "packages", "not in the lock: " + _listed(told), again, added
        )


def files(release: Release, hashes: bool) -> Iterator[Item]:
    """Yield what differs from the RECORD files."""
    found = compare(release.path, release.site_packages, hashes)
    again = "Run site.yml: it builds the environment again; a download cache that shares the file is cleared."
    if found.gone:
        weight = BREAKS if any(_is_code(name) for name in found.gone) else DRIFTED
        yield _item("audit.file-gone", weight, "files", "missing: " + _listed(found.gone), again, found.gone)
    if found.edited:
        told = "edited: " + _listed(found.edited)
        yield _item("audit.file-edited", DRIFTED, "files", told, again, found.edited)
    if found.added:
        told = "of no package: " + _listed(found.added)
        yield _item("audit.file-added", DRIFTED, "files", told, "Remove what nobody needs.", found.added)
    if found.unread:
        told = "{} files are newer than the environment, their contents were not compared".format(
            len(found.unread)
        )
        remedy = "Set whisperx_audit_hashes to true to compare all."
        yield _item("audit.file-unread", DRIFTED, "files", told, remedy, found.unread[:_SHOWN])


def compare(release: str, site_packages: str, hashes: bool) -> Files:
    """Compare the files below ``site_packages`` with the RECORD files there."""
    result = Files()
    recorded: Set[str] = set()
    since = _written(release)
    suspects: List[Tuple[int, str, str]] = []
    for name, digest, size in _records(site_packages):
        recorded.add(os.path.normpath(name))
        try:
            state = os.stat(os.path.join(site_packages, name))
        except OSError:
            result.gone.append(name)
            continue
        result.checked += 1
        if size is not None and state.st_size != size:
            result.edited.append(name)
        elif digest and (hashes or state.st_mtime > since):
            suspects.append((state.st_size, name, digest))
    room = _MOST_BYTES
    for length, name, digest in sorted(suspects):
        room -= length
        if room < 0 and not hashes:
            result.unread.append(name)
        elif _digest(os.path.join(site_packages, name)) != digest:
            result.edited.append(name)
    result.added = sorted(_strangers(site_packages, recorded))
    result.gone.sort()
    result.edited.sort()
    return result


def _written(release: str) -> float:
    """When the release was complete, in seconds since 1970; 0 has every file compared."""
    try:
        return os.stat(os.path.join(release, integrity.MANIFEST)).st_mtime + _SLACK
    except OSError:
        return 0.0


def _records(site_packages: str) -> Iterator[Tuple[str, str, Optional[int]]]:
    """Yield (path, "sha256=…" or "", size or None) of every row of every RECORD."""
    for directory in sorted(_listing(site_packages)):
        if not directory.endswith(".dist-info"):
            continue
        for row in _rows(os.path.join(site_packages, directory, "RECORD")):
            # Commands lie beside lib/; what leads further out, no installer wrote.
            outside = os.path.isabs(row[0]) or os.path.normpath(row[0]).startswith(_OUTSIDE)
            if not outside and not row[0].endswith(".pyc"):
                yield row[0], row[1] if row[1].startswith("sha256=") else "", _number(row[2])


def _rows(path: str) -> List[List[str]]:
    """The rows of a RECORD that have a name; none of one that cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as stream:
            text = stream.read().replace("\0", "")
        return [row for row in csv.reader(text.splitlines()) if len(row) == 3 and row[0]]
    except (OSError, csv.Error):
        return []


def _strangers(site_packages: str, recorded: Set[str]) -> Iterator[str]:
    """Yield files that no RECORD names, and a directory of such files only once."""
    folders: Set[str] = set()
    for name in recorded:
        folder = os.path.dirname(name)
        while folder and folder not in folders:
            folders.add(folder)
            folder = os.path.dirname(folder)
    for directory, inner, names in os.walk(site_packages):
        here = os.path.relpath(directory, site_packages)
        prefix = "" if here == "." else here + os.sep
        inner[:] = sorted(name for name in inner if name != "__pycache__")
        for name in [name for name in inner if prefix + name not in folders]:
            inner.remove(name)
            if prefix + name not in _OWN:
                yield prefix + name + os.sep
        for name in names:
            if prefix + name not in recorded and prefix + name not in _OWN and not name.endswith(".pyc"):
                yield prefix + name


def _digest(path: str) -> str:
    state = hashlib.sha256()
    try:
        with open(path, "rb") as stream:
            for block in iter(lambda: stream.read(1 << 20), b""):
                state.update(block)
    except OSError:
        return ""
    return "sha256=" + base64.urlsafe_b64encode(state.digest()).decode().rstrip("=")


def _is_code(name: str) -> bool:
    return name.endswith(".py") or name.endswith(".so") or ".so." in name


def _number(text: str) -> Optional[int]:
    return int(text) if text.isdigit() and len(text) < 16 else None


def _listing(directory: str) -> List[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _listed(names: List[str]) -> str:
    return named(names, _SHOWN)


def _item(rule: str, weight: str, what: str, sentence: str, remedy: str, names: List[str]) -> Item:
    return Item(rule, weight, what, sentence, remedy, tuple(names))
