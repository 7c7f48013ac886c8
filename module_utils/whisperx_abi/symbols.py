"""What an ELF file exports and wants from others: symbols and symbol versions.

In: a path, or a function that reads a range of bytes. Out: `Symbols`. Reads whole symbol tables (some have
tens of MiB), so only what has to look at symbols calls it; `elf` reads headers alone. What contradicts itself
is `Problem("abi.malformed")`; the work is bounded whatever the file says about itself.

Layout: System V gABI (symbol table, DT_HASH), the GNU hash section, and the LSB's symbol versioning.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import Callable, Dict, FrozenSet, List, Set, Tuple, TypeVar

from .dynamic import DT_STRSZ, DT_STRTAB, Forward, Strings, pairs
from .header import Header, unreadable

__all__ = [
    "Brief",
    "Symbols",
    "brief",
    "hashed",
    "parse",
    "parse_brief",
    "parse_versions",
    "read",
    "versions",
]

# Bounds for what a file may claim; the largest library of a CUDA environment has a tenth of them.
_MOST_SYMBOLS = 4_000_000
_MOST_STRINGS = 1 << 29
_MOST_VERSIONS = 4096
_LONGEST = 1 << 16
# Linkers let a name share the end of another; all names together are hardly longer than the table.
_MOST_OVERLAP = 8
# How many names are read before their length is looked at.
_AT_ONCE = 512

_DT_HASH, _DT_SYMTAB, _DT_GNU_HASH = 4, 6, 0x6FFFFEF5
_DT_VERSYM, _VERSION = 0x6FFFFFF0, 0x7FFF
_DT_VERDEF, _DT_VERDEFNUM = 0x6FFFFFFC, 0x6FFFFFFD
_GLOBAL, _WEAK, _UNIQUE = 1, 2, 10
# Bytes of binding and type with which a symbol serves others; visibilities (internal, hidden) with which not.
_SERVES = frozenset(binding << 4 | kind for binding in (_GLOBAL, _WEAK, _UNIQUE) for kind in range(16))
_UNSEEN = (1, 2)
_SHT_DYNSYM = 11

At = Callable[[int, int], bytes]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Brief:
    """As `Symbols`; what is exported is told by ``hashes`` where the file has a GNU hash table, as nearly all
    have, and else by name. The lowest bit of a hash value means nothing.
    """

    exported: FrozenSet[bytes]
    hashes: FrozenSet[int]
    wanted: FrozenSet[bytes]
    bound: FrozenSet[bytes]


@dataclass(frozen=True)
class Symbols:
    """``exported`` names serve other objects; ``wanted`` names (not the weak ones) others have to export.
    ``bound``, where that was asked for: those of them that name their library, by a version of its symbols.
    """

    exported: FrozenSet[bytes]
    wanted: FrozenSet[bytes]
    bound: FrozenSet[bytes] = frozenset()


def read(path: str, bound: bool = False) -> Symbols:
    """Read the symbols of the file at ``path``, and which of them are bound to a library. Raises Problem
    (malformed, unreadable).
    """
    return _opened(path, lambda at, size, where: parse(at, size, where, bound))


def brief(path: str, bound: bool = False) -> Brief:
    """Read what is wanted, and of what is exported only the hash values by which the loader looks it up: a
    small part of the work of ``read``. Raises Problem (malformed, unreadable).
    """
    return _opened(path, lambda at, size, where: parse_brief(at, size, where, bound))


def hashed(name: bytes) -> int:
    """The value of a name in a GNU hash table, of which the loader ignores the lowest bit; here it is set."""
    value = 5381
    for letter in name:
        value = (value * 33 + letter) & 0xFFFFFFFF
    return value | 1


def versions(path: str) -> FrozenSet[str]:
    """The symbol versions that the file at ``path`` defines. Raises Problem (malformed, unreadable)."""
    return _opened(path, parse_versions)


def parse_brief(at: At, size: int, where: str, bound: bool = False) -> Brief:
    """As `brief`, of a file of ``size`` bytes whose ranges ``at(offset, size)`` gives."""
    head = Header(at, size, where)
    tags = dict(pairs(head))
    if _DT_GNU_HASH not in tags or _DT_SYMTAB not in tags or DT_STRTAB not in tags:
        whole = parse(at, size, where, bound)
        return Brief(whole.exported, frozenset(), whole.wanted, whole.bound)
    first, chains, count = _gnu_table(head, tags)
    # What is exported stands behind what is not, and the table has one value for each.
    values = head.take(chains, max(0, count - first) * 4, "hash table")
    found = frozenset(struct.unpack(f"{head.mark}{len(values) // 4}I", values))
    own = _symbols(head, tags, min(first, count) if count else _count_by_sections(head), bound)
    return Brief(frozenset(), found, own.wanted, own.bound)


def parse(at: At, size: int, where: str, bound: bool = False) -> Symbols:
    """Read the symbols of a file of ``size`` bytes whose ranges ``at(offset, size)`` gives."""
    head = Header(at, size, where)
    tags = dict(pairs(head))
    if _DT_SYMTAB not in tags or DT_STRTAB not in tags:
        return Symbols(frozenset(), frozenset())
    return _symbols(head, tags, _count(head, tags), bound)


def _symbols(head: Header, tags: Dict[int, int], count: int, bound: bool) -> Symbols:
    """The first ``count`` symbols of the table."""
    if count > _MOST_SYMBOLS:
        raise head.bad(f"{count} symbols")
    # Of an entry what decides: name, binding and type, visibility, section.
    entry = struct.Struct(head.mark + ("IBBH16x" if head.wide else "I8xBBH"))
    table = head.take(head.place(tags[_DT_SYMTAB], "symbol table"), count * entry.size, "symbol table")
    if tags.get(DT_STRSZ, 0) > _MOST_STRINGS:
        raise head.bad(f"a string table of {tags[DT_STRSZ]} bytes")
    strings = head.take(head.place(tags[DT_STRTAB], "string table"), tags.get(DT_STRSZ, 0), "string table")
    defined: List[int] = []
    undefined: List[int] = []
    for name, info, other, section in entry.iter_unpack(table):
        if section:
            if info in _SERVES and other & 3 not in _UNSEEN:
                defined.append(name)
        elif info >> 4 == _GLOBAL:
            undefined.append(name)
    exported, wanted = _names(head, strings, defined), _names(head, strings, undefined)
    named: FrozenSet[bytes] = frozenset()
    if bound and _DT_VERSYM in tags:
        data = head.take(head.place(tags[_DT_VERSYM], "symbol versions"), count * 2, "symbol versions")
        marks = struct.unpack(f"{head.mark}{count}H", data)
        rows = zip(entry.iter_unpack(table), marks)
        named = _names(head, strings, [row[0] for row, mark in rows if not row[3] and mark & _VERSION > 1])
    return Symbols(exported, wanted - exported, named & wanted)


def _names(head: Header, strings: bytes, places: List[int]) -> FrozenSet[bytes]:
    """The names at these places of the string table, each cut where it is longer than any compiler writes."""
    if max(places, default=0) >= max(1, len(strings)):
        raise head.bad("a symbol's name outside the string table")
    find, room = strings.find, len(strings) * _MOST_OVERLAP + _LONGEST
    found: Set[bytes] = set()
    for start in range(0, len(places), _AT_ONCE):
        part = [
            strings[place : end if (end := find(b"\0", place, place + _LONGEST)) >= 0 else place + _LONGEST]
            for place in places[start : start + _AT_ONCE]
        ]
        room -= sum(map(len, part))
        if room < 0:
            raise head.bad("symbols whose names overlap")
        found.update(part)
    found.discard(b"")
    return frozenset(found)


def parse_versions(at: At, size: int, where: str) -> FrozenSet[str]:
    """As `parse`, for the symbol versions it defines. Their chain only moves forward."""
    head = Header(at, size, where)
    tags = dict(pairs(head))
    if _DT_VERDEF not in tags:
        return frozenset()
    strings = Strings(head, tags)
    region = Forward(head, head.place(tags[_DT_VERDEF], "version definitions"))
    define, aux = struct.Struct(head.mark + "HHHHIII"), struct.Struct(head.mark + "II")
    found: Set[str] = set()
    place = 0
    for _turn in range(min(tags.get(_DT_VERDEFNUM, 0), _MOST_VERSIONS)):
        _version, _flags, _index, count, _hash, first, following = define.unpack(
            region.at(place, define.size)
        )
        if count:
            found.add(strings.at(aux.unpack(region.at(place + first, aux.size))[0]))
        if following == 0:
            break
        place += following
    return frozenset(found)


def _opened(path: str, reader: Callable[[At, int, str], _T]) -> _T:
    """Let ``reader`` read the file at ``path``."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise unreadable(path, error) from error
    try:
        return reader(lambda offset, size: os.pread(handle, size, offset), os.fstat(handle).st_size, path)
    except OSError as error:
        raise unreadable(path, error) from error
    finally:
        os.close(handle)


def _count(head: Header, tags: Dict[int, int]) -> int:
    """How many symbols there are: only the hash tables tell."""
    if _DT_HASH in tags:
        word = "Q" if head.wide and head.machine in ("s390x", "alpha") else "I"
        layout = struct.Struct(head.mark + 2 * word)
        data = head.take(head.place(tags[_DT_HASH], "hash table"), layout.size, "hash table")
        return int(layout.unpack(data)[1])
    if _DT_GNU_HASH not in tags:
        return 0
    return _gnu_table(head, tags)[2] or _count_by_sections(head)


def _gnu_table(head: Header, tags: Dict[int, int]) -> Tuple[int, int, int]:
    """Of the GNU hash table: the number of the first symbol in it, where its values begin, and how many
    symbols there are, 0 where nothing is in it.
    """
    start = head.place(tags[_DT_GNU_HASH], "hash table")
    header = struct.Struct(head.mark + "IIII")
    buckets, first, bloom, _shift = header.unpack(head.take(start, header.size, "hash table"))
    if max(buckets, bloom, first) > _MOST_SYMBOLS:
        raise head.bad(f"a hash table of {max(buckets, bloom, first)} entries")
    place = start + header.size + bloom * (8 if head.wide else 4)
    words = struct.Struct(head.mark + f"{buckets}I").unpack(head.take(place, buckets * 4, "hash table"))
    last, chains = max(words, default=0), place + buckets * 4
    if last < first or last == 0:
        return first, chains, 0
    return first, chains, _end_of_chain(head, chains, first, last) + 1


def _end_of_chain(head: Header, chains: int, first: int, last: int) -> int:
    """The number of the last symbol: its hash value has the lowest bit set."""
    if last > _MOST_SYMBOLS:
        raise head.bad(f"a hash table with symbol {last}")
    while last <= _MOST_SYMBOLS:
        place = chains + (last - first) * 4
        block = head.take(place, min(4096, (head.size - place) & ~3), "hash table")
        if not block:
            break
        for (value,) in struct.iter_unpack(head.mark + "I", block):
            if value & 1:
                return last
            last += 1
    raise head.bad("a hash chain without an end")


def _count_by_sections(head: Header) -> int:
    """Where nothing is exported the hash table is empty; the section headers tell, if they are there.

    The loader needs no count. Without one no symbol is looked at: less is checked, and nothing guessed.
    """
    wide = head.wide
    start = struct.unpack(
        head.mark + ("Q" if wide else "I"), head.take(*((40, 8) if wide else (32, 4)), "header")
    )[0]
    each, count = struct.unpack(head.mark + "HH", head.take(58 if wide else 46, 4, "header"))
    layout = struct.Struct(head.mark + ("IIQQQQIIQQ" if wide else "IIIIIIIIII"))
    if each != layout.size or start + each * count > head.size:
        return 0
    for row in layout.iter_unpack(head.take(start, each * count, "section headers")):
        if row[1] == _SHT_DYNSYM:
            return int(row[5]) // (24 if wide else 16)
    return 0
