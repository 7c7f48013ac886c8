"""Wheels that come from the site's wheelhouse instead of an index, and how uv finds them on the host.

They arrive in files/<SHA-256>/, over Ansible's connection or over HTTP. For uv the host itself is the index:
pages in index/ name the locked files by their place and digest, so uv needs no network at all. Once uv has
unpacked a wheel into its cache, the wheel goes and a mark in the cache stays: the next release links the
unpacked files, and nothing travels twice. When somebody removes the cache, the marks go with it.
"""

from __future__ import annotations

import hashlib
import os
from typing import Iterable, List, Set, Tuple
from urllib.parse import quote

from ..whisperx_common.durable import make_directories
from ..whisperx_common.files import discard, read_text, write_text
from ..whisperx_common.lockfile import LockedPackage
from ..whisperx_release.model import Layout
from .model import Options, Wanted

__all__ = [
    "carried",
    "forget",
    "forget_all",
    "from_wheelhouse",
    "put_away",
    "to_bring",
    "unpacked",
    "write_index",
]

# Where the marks lie in the cache.
MARKS = "whisperx-fleet-unpacked"


def from_wheelhouse(wanted: Wanted, options: Options) -> bool:
    """Whether the run offers every locked file itself, so that the host needs no index."""
    offered = {item.sha256 for item in options.carried}
    indexed = [package.sha256 for package in wanted.lock.packages if not package.travels]
    return bool(indexed) and (bool(options.wheelhouse) or offered.issuperset(indexed))


def to_bring(
    wanted: Wanted, options: Options, here: Iterable[str], known: Iterable[str]
) -> List[LockedPackage]:
    """Return the packages whose wheels the host lacks.

    ``here`` are digests of files on the host, ``known`` of wheels that uv has unpacked. Wheels from an index
    are left to uv unless the run offers all of them.
    """
    offered = from_wheelhouse(wanted, options)
    present, skip = set(here), set(known)
    return [
        package
        for package in wanted.lock.packages
        if package.sha256 not in present and (package.travels or (offered and package.sha256 not in skip))
    ]


def unpacked(layout: Layout) -> Set[str]:
    """Return the SHA-256 of every wheel that lies unpacked in uv's cache, for the index of this root."""
    try:
        return set(os.listdir(_marks(layout)))
    except (FileNotFoundError, NotADirectoryError):
        return set()


def carried(layout: Layout) -> Tuple[str, ...]:
    """Return the SHA-256 of every file that an earlier run brought here whole."""
    top = layout.path("files")
    try:
        names = sorted(name for name in os.listdir(top) if len(name) == 64)
    except FileNotFoundError:
        return ()
    return tuple(name for name in names if _whole(os.path.join(top, name)))


def _whole(directory: str) -> bool:
    """Return whether a directory of files/ has its file, and not only the beginning of it."""
    return any(not name.endswith(".new") for name in os.listdir(directory))


def write_index(layout: Layout, wanted: Wanted) -> str:
    """Write a page per locked package; return the address of the index."""
    top = layout.path("index")
    for package in wanted.lock.packages:
        directory = os.path.join(top, package.name)
        make_directories(directory, 0o755, layout.root)
        where = "file://" + quote(layout.path("files", package.sha256, package.file))
        line = '<a href="{}#sha256={}">{}</a>'.format(where, package.sha256, package.file)
        page = "<!DOCTYPE html><body>{}</body>\n".format(line)
        write_text(os.path.join(directory, "index.html"), page, below=layout.root, durable=False)
    return "file://" + quote(top)


def put_away(layout: Layout, wanted: Wanted) -> None:
    """Note that uv has unpacked the wheels of the wheelhouse, and remove them. Built wheels stay."""
    for package in wanted.lock.packages:
        if not package.travels:
            make_directories(layout.cache, 0o700)
            make_directories(_marks(layout), 0o700, layout.cache)
            mark = os.path.join(_marks(layout), package.sha256)
            write_text(mark, package.name, 0o600, layout.cache, durable=False)
            discard(layout.path("files", package.sha256), layout.root)


def forget(layout: Layout, names: Iterable[str]) -> None:
    """Drop the marks of packages that were removed from the cache, for every root that shares it."""
    gone = set(names)
    top = os.path.join(layout.cache, MARKS)
    for directory, _folders, marks in os.walk(top):
        for mark in marks:
            path = os.path.join(directory, mark)
            if read_text(path) in gone:
                discard(path)


def forget_all(layout: Layout) -> None:
    """Drop the marks of this root: uv did not find what they promise, so the next run brings it."""
    discard(_marks(layout))


def _marks(layout: Layout) -> str:
    """uv files what it unpacked under the address of the index, which is this root's."""
    return os.path.join(layout.cache, MARKS, hashlib.sha256(layout.root.encode("utf-8")).hexdigest()[:16])
