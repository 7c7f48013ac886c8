"""Target: uv's download cache. What is in it is what was unpacked, or it is fetched again.

Releases are hard links of the cache, so a file that is edited in one of them is edited in the cache, and in
every release that is built from it. uv checks a wheel's digest when it unpacks it and never again. So the
size and the date of every file are noted when a wheel was unpacked (not the date of the inode, which a new
link changes), and compared before a build. An edit that keeps both is seen by the digests of the wheel's own
RECORD only, which are compared on request.

uv puts nothing on disk. Where the host was started again during a build, what was written meanwhile may be
cut off, and uv stops at such a file for good; `heal` removes it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import stat
from dataclasses import dataclass
from typing import Callable, Dict, Iterable, Iterator, List, Optional, Set, Tuple

from ..whisperx_common import beneath
from ..whisperx_common.durable import make_directories
from ..whisperx_common.files import discard, opened, read_json, read_text, sha256_of, write_text
from ..whisperx_common.locking import alone_then_shared
from ..whisperx_common.names import normalise
from ..whisperx_release import disk
from ..whisperx_release.building import Building
from ..whisperx_release.model import Layout
from .shelf import MARKS
from .wheel_record import rows

__all__ = ["Archive", "cut", "edited", "heal", "in_use", "note", "prepare"]

# Where uv 0.13 has the wheels that it unpacked; everything else in its cache leads there.
_ARCHIVES = "archive-v0"
_NOTES = "whisperx-fleet-noted"
# Who builds holds this one shared, who heals alone: several roots may share a cache.
_LOCK = "whisperx-fleet.lock"
_DIST_INFO = re.compile(r"(?P<name>[^-]+)-[^-]+\.dist-info$")
# The files of uv's cache that are empty by nature.
_EMPTY = re.compile(r"\.|CACHEDIR\.TAG$|.*\.lock$")
# How far a file's date may lie before the note of the build that wrote it.
_SLACK = 2 * 10**9

Noted = Dict[str, List[int]]


@dataclass(frozen=True)
class Archive:
    """One wheel that uv unpacked.

    ``name`` is its package's, "" when that cannot be told; ``noted`` what was noted of its files, None for
    nothing; ``record`` the SHA-256 of its RECORD then.
    """

    identity: str
    name: str
    noted: Optional[Noted]
    record: str = ""


def prepare(layout: Layout) -> None:
    """Make the cache, and close it to everybody else: uv's lock files in it are open to all."""
    if layout.shared_cache:
        disk.make(layout, layout.cache, "cache", 0o700)
    else:
        make_directories(layout.cache, 0o700)
    with beneath.directory(layout.cache) as descriptor:
        facts = os.fstat(descriptor)
        if facts.st_uid == os.geteuid() and stat.S_IMODE(facts.st_mode) & 0o077:
            os.fchmod(descriptor, 0o700)


@contextlib.contextmanager
def in_use(layout: Layout, heals: Callable[[], None], wait: float) -> Iterator[None]:
    """Keep others from healing the cache, after ``heals`` was called, if possible, while nobody uses it.

    What another root's uv is writing looks like what a power cut left. ``wait``: for how many seconds.
    """
    with alone_then_shared(os.path.join(layout.cache, _LOCK), heals, layout.cache, wait):
        yield


def edited(layout: Layout, names: Iterable[str], digests: bool = False) -> Dict[str, str]:
    """Return the packages of which something in the cache is not as it was unpacked, and what is wrong.

    Only ``names`` are looked at. What was unpacked before it was noted is compared with the sizes of its
    RECORD. With ``digests``, the contents are read as well.
    """
    wanted, found = set(names), {}
    for archive in _archives(layout):
        if archive.name in wanted and archive.name not in found:
            wrong = next(_differences(_path(layout, archive), archive, digests), "")
            if wrong:
                found[archive.name] = wrong
    return found


def note(layout: Layout) -> None:
    """Note size and date of what uv has unpacked, once it is on disk, and forget what is gone."""
    notes = os.path.join(layout.cache, _NOTES)
    make_directories(notes, 0o700, layout.cache)
    # Before the archives: what another root notes meanwhile is of an archive that is not in our list.
    noted_before = os.listdir(notes)
    archives = list(_archives(layout))
    for archive in archives:
        if archive.noted is None and archive.name:
            path = _path(layout, archive)
            noted = {"name": archive.name, "record": _digest(_record(path), path), "files": _files(path)}
            text = json.dumps(noted, separators=(",", ":"), sort_keys=True)
            write_text(os.path.join(notes, archive.identity), text, 0o600, layout.cache, durable=False)
    known = {archive.identity for archive in archives}
    for name in noted_before:
        if name.partition(".")[0] not in known:
            discard(os.path.join(notes, name), layout.cache)


def cut(building: Building) -> bool:
    """Return whether the host was started again since that build began."""
    return bool(building.since) and not building.same_boot


def heal(layout: Layout, building: Building) -> Set[str]:
    """Remove what uv left in its cache that may be cut off; return packages whose downloads have to go.

    ``building`` is what an earlier run was interrupted at. What was on disk before that run stays. Nobody
    else may be using the cache (`in_use`).
    """
    was_cut = cut(building)
    oldest = building.since - _SLACK
    for relative, descriptor, directories, others in beneath.walk(layout.cache):
        if not relative:
            directories[:] = [name for name in directories if name not in (_ARCHIVES, _NOTES, MARKS)]
        for name in others:
            facts = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if not stat.S_ISREG(facts.st_mode) or _EMPTY.match(name):
                continue
            if not facts.st_size or (was_cut and facts.st_mtime_ns >= oldest):
                os.unlink(name, dir_fd=descriptor)
    return _cut_off(layout) if was_cut else set()


def _cut_off(layout: Layout) -> Set[str]:
    """Return the packages that were unpacked and not noted, and are not whole; remove what is of none."""
    found: Set[str] = set()
    for archive in _archives(layout):
        path = _path(layout, archive)
        if not archive.name:
            discard(path, layout.cache)
        elif archive.noted is None and next(_differences(path, archive, True), ""):
            found.add(archive.name)
    return found


def _archives(layout: Layout) -> Iterator[Archive]:
    """Return every wheel that uv has unpacked."""
    top = os.path.join(layout.cache, _ARCHIVES)
    try:
        identities = sorted(os.listdir(top))
    except (FileNotFoundError, NotADirectoryError):
        return
    for identity in identities:
        value = read_json(os.path.join(layout.cache, _NOTES, identity)) or {}
        name, files = value.get("name"), value.get("files")
        if isinstance(name, str) and isinstance(files, dict):
            yield Archive(identity, name, files, str(value.get("record") or ""))
        else:
            yield Archive(identity, _name(os.path.join(top, identity)), None)


def _path(layout: Layout, archive: Archive) -> str:
    return os.path.join(layout.cache, _ARCHIVES, archive.identity)


def _name(path: str) -> str:
    """Return the package of an unpacked wheel, "" when it has none."""
    record = _record(path)
    match = _DIST_INFO.match(os.path.dirname(record))
    return normalise(match.group("name")) if match else ""


def _record(path: str) -> str:
    """Return the relative path of the RECORD of an unpacked wheel, "" when there is none."""
    try:
        names = [name for name in sorted(os.listdir(path)) if _DIST_INFO.match(name)]
    except OSError:
        return ""
    return os.path.join(names[0], "RECORD") if names else ""


def _files(path: str) -> Noted:
    """Return size and date (in ns) of every file below an unpacked wheel, by relative path."""
    found: Noted = {}
    for relative, descriptor, _directories, others in beneath.walk(path):
        for name in others:
            facts = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            found[os.path.join(relative, name)] = [facts.st_size, facts.st_mtime_ns]
    return found


def _differences(path: str, archive: Archive, digests: bool) -> Iterator[str]:
    """Return what of an unpacked wheel is not as it was, one sentence a file."""
    present, record = _files(path), _record(path)
    if archive.noted is not None:
        for name in sorted(set(present) | set(archive.noted)):
            if name not in archive.noted:
                yield "{} was added".format(name)
            elif name not in present:
                yield "{} is gone".format(name)
            elif present[name] != archive.noted[name]:
                yield "{} was edited".format(name)
    if digests and archive.record and _digest(record, path) != archive.record:
        yield "{} was edited".format(record)
    for name, digest, size in _rows(path, record):
        if archive.noted is None and name not in present:
            yield "{} is gone".format(name)
        elif archive.noted is None and size >= 0 and present[name][0] != size:
            yield "{} was edited, or cut off".format(name)
        elif digests and digest and _digest(name, path) != digest:
            yield "{} was edited".format(name)


def _rows(path: str, record: str) -> Iterator[Tuple[str, str, int]]:
    """Return path, SHA-256 ("" if not said) and size (-1 if not said) of every row of a RECORD."""
    text = read_text(os.path.join(path, record)) if record else None
    for row in rows(text or ""):
        if len(row) == 3 and row[0] and not os.path.isabs(row[0]) and os.pardir not in row[0].split("/"):
            kind, _separator, coded = row[1].partition("=")
            yield row[0], _hex(coded) if kind == "sha256" else "", int(row[2]) if row[2].isdigit() else -1


def _hex(coded: str) -> str:
    """Return a digest of a RECORD (base64 without padding) as hex digits, "" for one that is none."""
    try:
        return base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)).hex()
    except ValueError:
        return ""


def _digest(name: str, path: str) -> str:
    """Return the SHA-256 of a file below ``path``, "" when it cannot be read."""
    try:
        with opened(os.path.join(path, name), path) as stream:
            return sha256_of(stream)
    except OSError:
        return ""
