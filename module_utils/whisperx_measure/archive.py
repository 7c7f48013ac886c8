"""A wheel on the controller as a zip file that somebody else made: read only if nothing in it is ambiguous.

What is refused: what installers and zip readers may understand in different ways (two members for one path, a
header that names another member than the directory does, members that share bytes), names that lead out of
the environment, and contents out of proportion to the file. Formats: PKWARE APPNOTE; the specification of
binary distributions (wheels) for schemes and RECORD.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import mmap
import posixpath
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from ..whisperx_common.wording import printable
from ..whisperx_problem import Problem

__all__ = ["Archive", "Refused", "opened"]

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED, _LINK = 0x1, 0o120000
_MOST_MEMBERS = 200_000
# Shared objects shrink to a third, texts to a tenth; deflate can give a thousand times.
_MOST_TIMES, _ALWAYS = 100, 64 << 20
_LARGEST_TEXT = 64 << 20
_BLOCK = 1 << 20
# {name}-{version}.data/{scheme}/…: where its members go. The first two are both site-packages.
_DATA = re.compile(r"[^/]+\.data/(?P<scheme>[^/]+)/(?P<rest>.+)")
_SITE = ("purelib", "platlib")
_UNSIGNED = re.compile(r"[^/]+\.dist-info/RECORD(?:\.jws|\.p7s)?")
# What a zip file that is none, or a damaged one, makes the library raise.
_BROKEN = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error, NotImplementedError),
    *(OSError, EOFError, KeyError, ValueError, RuntimeError, OverflowError, MemoryError, IndexError),
)


class Refused(Exception):
    """A wheel that is not used. ``rule`` is the id of the problem, ``found`` what is wrong with it."""

    def __init__(self, rule: str, found: str) -> None:
        super().__init__(found)
        self.rule = rule
        self.found = found


@contextmanager
def opened(stream: IO[bytes], size: int) -> Iterator[Archive]:
    """Open the wheel that ``stream`` has, ``size`` bytes of it. Raises Refused for whatever is wrong with it.

    A Problem about a shared object in it is such a refusal too.
    """
    try:
        with zipfile.ZipFile(stream) as source:
            yield Archive(source, stream, size)
    except Problem as problem:
        raise Refused("wheels.unreadable", f"{problem.where}: {problem.found}") from None
    except _BROKEN as error:
        said = printable(str(error))[:200] or type(error).__name__
        raise Refused("wheels.unreadable", f"it cannot be read: {said}") from None


class Archive:
    """The members of a wheel whose directory was checked on construction."""

    def __init__(self, source: zipfile.ZipFile, stream: IO[bytes], size: int) -> None:
        entries = source.infolist()
        _check_names(entries)
        _check_places(entries)
        _check_layout(entries, stream, size)
        self._zip = source
        self._members = {entry.filename: entry for entry in entries if not entry.is_dir()}
        self.info = _info(self._members)

    def names(self) -> list[str]:
        """Return the members' names, files only."""
        return list(self._members)

    def text(self, name: str) -> str:
        """Return a small text member."""
        if name not in self._members:
            raise Refused("wheels.unreadable", f"it has no {printable(name)}")
        if self._members[name].file_size > _LARGEST_TEXT:
            raise Refused("wheels.unreadable", f"{printable(name)} has {self._members[name].file_size} bytes")
        return self._zip.read(name).decode("utf-8", "replace")

    def head(self, name: str, size: int) -> bytes:
        """Return the first bytes of a member."""
        with self._zip.open(name) as source:
            return source.read(size)

    @contextmanager
    def mapped(self, name: str) -> Iterator[mmap.mmap]:
        """Unpack a member to a temporary file, and map it."""
        with tempfile.TemporaryFile() as store, self._zip.open(name) as source:
            while block := source.read(_BLOCK):
                store.write(block)
            if not store.tell():
                store.write(b"\0")  # an empty file cannot be mapped, and this is no shared object either
            store.flush()
            with mmap.mmap(store.fileno(), 0, access=mmap.ACCESS_READ) as view:
                yield view

    def check_record(self) -> None:
        """Read every member, and compare it with RECORD. Raises Refused."""
        rows = self._recorded()
        for name, entry in self._members.items():
            digest, count = hashlib.sha256(), 0
            with self._zip.open(entry) as source:  # which compares the checksum of the zip file
                while block := source.read(_BLOCK):
                    digest.update(block)
                    count += len(block)
            algorithm, _separator, wanted = rows.get(name, ("", ""))[0].partition("=")
            size = rows.get(name, ("", ""))[1]
            found = base64.urlsafe_b64encode(digest.digest()).decode().rstrip("=")
            if _UNSIGNED.fullmatch(name):
                continue
            if (algorithm == "sha256" and wanted.rstrip("=") != found) or size not in ("", str(count)):
                raise Refused("wheels.unreadable", f"{printable(name)} is not what RECORD says")

    def _recorded(self) -> dict[str, tuple[str, str]]:
        """Return the rows of RECORD: path to digest and size."""
        rows: dict[str, tuple[str, str]] = {}
        for row in csv.reader(io.StringIO(self.text(f"{self.info}/RECORD"))):
            if not row:
                continue
            path = posixpath.normpath(row[0])
            if path in rows:
                raise Refused("wheels.claims", f"RECORD has two rows for {printable(path)}")
            rows[path] = ((row[1:2] or [""])[0], (row[2:3] or [""])[0])
        return rows


def _check_names(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > _MOST_MEMBERS:
        raise Refused("wheels.unreadable", f"it has {len(entries)} members")
    for entry in entries:
        # The library cuts a name at a NUL and turns other separators; what was written is in orig_filename.
        name = entry.orig_filename
        parts = name.rstrip("/").split("/")
        odd = any(part in ("", ".", "..") for part in parts) or "\\" in name or ":" in parts[0]
        if odd or any(ord(sign) < 32 or ord(sign) == 127 for sign in name):
            raise Refused(
                "wheels.claims", f"the member {printable(name)[:120]!r} leads out of the environment"
            )
        if entry.flag_bits & _ENCRYPTED or entry.compress_type not in _METHODS:
            raise Refused("wheels.unreadable", f"{printable(name)} is encrypted, or packed in an unusual way")
        if entry.external_attr >> 16 & 0o170000 == _LINK:
            raise Refused("wheels.claims", f"{printable(name)} is a link")


def _check_places(entries: list[zipfile.ZipInfo]) -> None:
    """Raise Refused for two members that would be installed at one path, or one below another."""
    files: set[tuple[str, str]] = set()
    for entry in entries:
        if entry.is_dir():
            continue
        place = _place(entry.filename)
        if place in files:
            raise Refused("wheels.claims", f"two members claim {printable(place[1])}")
        files.add(place)
    for entry in entries:
        scheme, path = _place(entry.filename.rstrip("/"))
        above = [path] if entry.is_dir() else []
        while path := posixpath.dirname(path):
            above.append(path)
        clash = next((one for one in above if (scheme, one) in files), None)
        if clash is not None:
            raise Refused("wheels.claims", f"{printable(clash)} is claimed as a file and as a directory")


def _place(name: str) -> tuple[str, str]:
    """Return where a member goes: the scheme, "" for site-packages, and the path below it."""
    match = _DATA.fullmatch(name)
    if match is None:
        return "", name
    return "" if match["scheme"] in _SITE else match["scheme"], match["rest"]


def _check_layout(entries: list[zipfile.ZipInfo], stream: IO[bytes], size: int) -> None:
    """Raise Refused where the members' headers do not lie side by side, or say other than the directory."""
    whole = sum(entry.file_size for entry in entries)
    if whole > size * _MOST_TIMES + _ALWAYS:
        raise Refused("wheels.unreadable", f"its {size} bytes unpack to {whole}")
    end = 0
    for entry in sorted(entries, key=lambda item: item.header_offset):
        if entry.header_offset < end or (not end and entry.header_offset):
            raise Refused("wheels.claims", f"{printable(entry.filename)} shares bytes with something else")
        stream.seek(entry.header_offset)
        head = _LOCAL.unpack(stream.read(_LOCAL.size))
        name = stream.read(head[9])
        written = entry.orig_filename.encode("utf-8" if entry.flag_bits & 0x800 else "cp437")
        if head[0] != b"PK\3\4" or name != written:
            raise Refused("wheels.claims", f"{printable(entry.filename)} has another name in its own header")
        end = entry.header_offset + _LOCAL.size + head[9] + head[10] + entry.compress_size


def _info(members: dict[str, zipfile.ZipInfo]) -> str:
    """Return the name of the one directory with the wheel's own files."""
    found = sorted(
        {name.partition("/")[0] for name in members if name.partition("/")[0].endswith(".dist-info")}
    )
    if len(found) != 1:
        raise Refused("wheels.unreadable", f"it has {len(found)} directories .dist-info")
    return found[0]
