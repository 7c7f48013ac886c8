"""The dynamic section of an ELF file, its strings, and regions whose size nothing tells.

`elf` and `symbols` build on it. Layout: System V gABI.
"""

from __future__ import annotations

import struct
from typing import Dict, List, Optional, Tuple

from .header import Header

__all__ = ["DT_STRSZ", "DT_STRTAB", "Forward", "Strings", "pairs"]

DT_STRTAB, DT_STRSZ = 5, 10

# Bounds for what a file may claim. Real files stay two orders of magnitude below.
_MOST_DYNAMIC_BYTES = 1 << 20
_CHUNK = 32768

_PT_DYNAMIC = 2


def pairs(head: Header) -> List[Tuple[int, int]]:
    """The (tag, value) pairs up to DT_NULL; nothing for a static file."""
    where = [item for item in head.segments if item.type == _PT_DYNAMIC]
    if not where:
        return []
    if where[-1].filesz > _MOST_DYNAMIC_BYTES:
        raise head.bad(f"a dynamic section of {where[-1].filesz} bytes")
    entry = struct.Struct(head.mark + ("QQ" if head.wide else "II"))
    count = where[-1].filesz // entry.size
    data = head.take(where[-1].offset, count * entry.size, "dynamic section")
    found: List[Tuple[int, int]] = []
    for tag, value in entry.iter_unpack(data):
        if tag == 0:
            return found
        found.append((tag, value))
    return found


class Strings:
    """The dynamic string table; only the strings asked for are read, for some tables are tens of MiB."""

    def __init__(self, head: Header, tags: Dict[int, int]) -> None:
        self._head = head
        self._tags = tags
        self._start: Optional[int] = None
        self._known: Dict[int, str] = {}

    def at(self, offset: int) -> str:
        """The string at ``offset`` of the table."""
        if offset in self._known:
            return self._known[offset]
        if self._start is None:
            if DT_STRTAB not in self._tags:
                raise self._head.bad("no dynamic string table")
            self._start = self._head.place(self._tags[DT_STRTAB], "string table")
        size = self._tags.get(DT_STRSZ, 0)
        if offset >= size:
            raise self._head.bad("a string outside the string table")
        self._known[offset] = self._head.string(self._start + offset, self._start + size)
        return self._known[offset]


class Forward:
    """Small reads in a region of unknown size, served from one larger read where possible."""

    def __init__(self, head: Header, start: int) -> None:
        self._head = head
        self._start = start
        self._data = head.take(start, min(_CHUNK, head.size - start), "version needs")

    def at(self, offset: int, count: int) -> bytes:
        """``count`` bytes at ``offset`` of the region."""
        if offset + count <= len(self._data):
            return self._data[offset : offset + count]
        return self._head.take(self._start + offset, count, "version needs")
