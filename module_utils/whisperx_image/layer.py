"""One layer of an image as a tar stream that depends on nothing but its entries.

Entries are sorted, owners are numbers, times are given by the caller, long names are GNU's: two builds from
the same files give the same bytes, and with them the same digest.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

__all__ = ["STAMP", "Entry", "gone", "sorted_entries", "stamped", "write_layer"]

# The time of everything that a build makes: 1980-01-01, the oldest that every archive format can hold.
STAMP = 315532800
_BLOCK = 1 << 20
_KINDS = {"file": tarfile.REGTYPE, "dir": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}


@dataclass(frozen=True)
class Entry:
    """One path of a layer, relative to the root and without a leading slash.

    ``kind``: file, dir or link. ``source`` and ``offset``: the file on this machine, and where in it, that
    holds the ``size`` bytes. ``target``: where a link leads. ``mtime``: seconds since 1970.
    """

    path: str
    kind: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    mtime: int = STAMP
    size: int = 0
    source: str = ""
    offset: int = 0
    target: str = ""

    def header(self) -> bytes:
        """Return the tar header."""
        info = tarfile.TarInfo(self.path + ("/" if self.kind == "dir" else ""))
        info.type = _KINDS[self.kind]
        info.mode, info.uid, info.gid, info.mtime = self.mode, self.uid, self.gid, self.mtime
        info.size = self.size if self.kind == "file" else 0
        info.linkname = self.target
        return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")

    def blocks(self) -> Iterator[bytes]:
        """Yield the content. OSError when it is gone or shorter than it was."""
        left = self.size
        with open(self.source, "rb") as stream:
            stream.seek(self.offset)
            while left:
                block = stream.read(min(left, _BLOCK))
                if not block:
                    raise OSError(f"{self.source} became shorter while it was read")
                left -= len(block)
                yield block

    def sha256(self) -> str:
        """Return the digest of the content."""
        digest = hashlib.sha256()
        for block in self.blocks():
            digest.update(block)
        return digest.hexdigest()


def sorted_entries(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries in the one order that a layer has, with the directories that lead to them.

    Of two entries for a path the last counts.
    """
    found: dict[str, Entry] = {}
    for entry in entries:
        parts = entry.path.split("/")
        for depth in range(1, len(parts)):
            parent = "/".join(parts[:depth])
            found.setdefault(parent, Entry(parent, "dir"))
        found[entry.path] = entry
    return [found[path] for path in sorted(found)]


def write_layer(entries: Iterable[Entry], write: Callable[[bytes], object]) -> tuple[str, int]:
    """Hand the layer to ``write`` block by block; return its SHA-256 and its size in bytes."""
    digest = hashlib.sha256()
    size = 0

    def put(data: bytes) -> None:
        nonlocal size
        digest.update(data)
        size += len(data)
        write(data)

    for entry in sorted_entries(entries):
        put(entry.header())
        if entry.kind == "file" and entry.size:
            for block in entry.blocks():
                put(block)
            put(b"\0" * (-entry.size % tarfile.BLOCKSIZE))
    put(b"\0" * 2 * tarfile.BLOCKSIZE)
    return digest.hexdigest(), size


def gone(path: str) -> Entry:
    """Return the entry that hides a path of the layers below."""
    directory, _separator, name = path.rpartition("/")
    return Entry("/".join(filter(None, (directory, ".wh." + name))), "file", mode=0o644)


def stamped(entry: Entry, newest: int) -> Entry:
    """Return the entry with the fixed time if it was made during the build, that is after ``newest``."""
    return replace(entry, mtime=STAMP) if entry.kind == "dir" or entry.mtime >= newest else entry
