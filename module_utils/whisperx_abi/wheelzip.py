"""The zip container of a wheel, read and written so that packed members can be copied as they are.

Written files depend on their input alone: fixed time stamps, no extra fields, members in the order given.
Format: PKWARE APPNOTE, without Zip64 (a wheel of 4 GiB is told, not written).
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import BinaryIO, List

from ..whisperx_problem import Problem

__all__ = ["DEFLATED", "STORED", "Member", "ZipWriter", "packed_bytes", "stored"]

STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_DATE = 0x0021  # 1980-01-01, the first day that the format knows
_UTF8 = 0x800


@dataclass(frozen=True)
class Member:
    """One member, packed. ``attributes`` as in the central directory (file mode in the upper half)."""

    name: str
    method: int
    packed: bytes
    crc: int
    size: int
    attributes: int


def stored(name: str, data: bytes, attributes: int = 0o100644 << 16) -> Member:
    """A member that is not compressed."""
    return Member(name, STORED, data, zlib.crc32(data), len(data), attributes)


def packed_bytes(source: BinaryIO, info: zipfile.ZipInfo) -> bytes:
    """The bytes of a member as they lie in the file, still packed."""
    source.seek(info.header_offset)
    head = _LOCAL.unpack(source.read(_LOCAL.size))
    source.seek(head[9] + head[10], 1)
    return source.read(info.compress_size)


class ZipWriter:
    """Writes a zip file to ``target``: `add` members, then `close`."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._central: List[bytes] = []
        self._place = 0

    def add(self, member: Member) -> None:
        """Write one member."""
        name = member.name.encode("utf-8")
        flags = 0 if member.name.isascii() else _UTF8
        sizes = (member.crc, len(member.packed), member.size)
        self._fits(self._place + len(member.packed), member.size)
        need = 20 if member.method == DEFLATED else 10
        local = _LOCAL.pack(b"PK\3\4", need, flags, member.method, 0, _DATE, *sizes, len(name), 0)
        self._central.append(
            _CENTRAL.pack(
                b"PK\1\2", 3 << 8 | 20, need, flags, member.method, 0, _DATE, *sizes, len(name), 0, 0, 0, 0,
                member.attributes, self._place,
            )
            + name
        )  # fmt: skip
        self._write(local + name)
        self._write(member.packed)

    def close(self) -> None:
        """Write the directory. The target stays open."""
        start, count, directory = self._place, len(self._central), b"".join(self._central)
        self._fits(start + len(directory), 0)
        if count > 0xFFFE:
            raise _too_large(f"{count} members")
        self._write(directory)
        self._write(_END.pack(b"PK\5\6", 0, 0, count, count, len(directory), start, 0))

    def _write(self, data: bytes) -> None:
        self._target.write(data)
        self._place += len(data)

    def _fits(self, *sizes: int) -> None:
        if max(sizes) >= 0xFFFFFFFF:
            raise _too_large(f"{max(sizes)} bytes")


def _too_large(found: str) -> Problem:
    return Problem(
        "repair.too-large",
        f"the wheel has {found}",
        "",
        "a wheel below 4 GiB and 65535 members",
        "Use a newer release of the package instead of a repaired one.",
    )
