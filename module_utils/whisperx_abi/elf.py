"""Read from an ELF file what the loader decides on, and nothing else.

In: a path, or a function that reads a range of bytes. Out: one frozen `Elf` record. Only headers are read
(ELF header, program headers, dynamic section, version needs, the strings they name), a few KiB of a file of
any size. What the loader would refuse, or what contradicts itself, is `Problem("abi.malformed")`; the work is
bounded whatever the file says about itself.

Layout: System V gABI (dynamic section) and the LSB's symbol versioning.
"""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import dataclass
from typing import Callable, Dict, List, Optional, Tuple

from ..whisperx_common.versions import numbers
from .dynamic import Forward, Strings, pairs
from .header import MAGIC, PF_X, PT_GNU_STACK, Header, malformed, unreadable

__all__ = ["Elf", "parse", "read"]

# Bounds for what a file may claim. Real files stay two orders of magnitude below.
_MOST_NEEDED = 1024
_MOST_VERSIONS = 4096
_HEAD = 4096

_PT_INTERP = 3
_DT_NEEDED, _DT_SONAME, _DT_RPATH, _DT_RUNPATH = 1, 14, 15, 29
_DT_VERNEED, _DT_VERNEEDNUM = 0x6FFFFFFE, 0x6FFFFFFF
_VER_FLG_WEAK = 2

# Where the header is absent, glibc gives the stack DEFAULT_STACK_PERMS (sysdeps/*/stackinfo.h): readable and
# writable only on these, executable everywhere else.
_STACK_DEFAULTS_TO_DATA = frozenset(("aarch64", "aarch64_be", "ppc64", "ppc64le", "loongarch64"))


@dataclass(frozen=True)
class Elf:
    """What one ELF file is and asks for.

    ``machine`` is named as `uname -m` names it, ``type`` is "dyn", "exec", "rel", "core" or "other".
    ``execstack`` is what the loader makes of PT_GNU_STACK; ``stack_header`` tells whether that is there.
    ``verneed`` maps a library to the symbol versions it must have; weak needs, which the loader forgives, are
    left out. ``interp`` is the program interpreter: a file that has one is started by the kernel.
    """

    bits: int
    order: str
    machine: str
    type: str
    execstack: bool
    stack_header: bool
    needed: Tuple[str, ...]
    soname: Optional[str]
    rpath: Optional[str]
    runpath: Optional[str]
    verneed: Dict[str, Tuple[str, ...]]
    interp: Optional[str]

    @property
    def glibc(self) -> Optional[str]:
        """The highest GLIBC_x.y that it needs, as "x.y"; None when it needs none."""
        found = [name[6:] for names in self.verneed.values() for name in names if _is_glibc(name)]
        return max(found, key=numbers) if found else None

    @property
    def private(self) -> bool:
        """Whether it uses symbols that glibc keeps for itself and may change in any release."""
        return any("GLIBC_PRIVATE" in names for names in self.verneed.values())


def read(path: str) -> Optional[Elf]:
    """Read the file at ``path``; None where it is no ELF file. Raises Problem (malformed, unreadable)."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise unreadable(path, error) from error
    try:
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode):
            raise malformed(path, "not a regular file")
        head = os.pread(handle, _HEAD, 0)
        if head[:4] != MAGIC:
            return None

        def at(offset: int, size: int) -> bytes:
            if offset + size <= len(head):
                return head[offset : offset + size]
            return os.pread(handle, size, offset)

        return parse(at, state.st_size, path)
    except OSError as error:
        raise unreadable(path, error) from error
    finally:
        os.close(handle)


def parse(at: Callable[[int, int], bytes], size: int, where: str) -> Elf:
    """Read the ELF file of ``size`` bytes whose ranges ``at(offset, size)`` gives; errors call it ``where``.

    Raises Problem("abi.malformed"), and lets through what ``at`` raises.
    """
    return _record(Header(at, size, where))


def _is_glibc(name: str) -> bool:
    return name.startswith("GLIBC_") and name[6:7].isdigit()


def _record(head: Header) -> Elf:
    """Read what the segments point to and put the record together."""
    stack = [item.flags for item in head.segments if item.type == PT_GNU_STACK]
    executable = bool(stack[-1] & PF_X) if stack else head.machine not in _STACK_DEFAULTS_TO_DATA
    interp = [item for item in head.segments if item.type == _PT_INTERP]
    tags: Dict[int, int] = {}
    needed: List[int] = []
    for tag, value in pairs(head):
        if tag == _DT_NEEDED:
            needed.append(value)
        else:
            tags[tag] = value
    if len(needed) > _MOST_NEEDED:
        raise head.bad(f"{len(needed)} libraries needed")
    strings = Strings(head, tags)

    def named(tag: int) -> Optional[str]:
        return strings.at(tags[tag]) if tag in tags else None

    return Elf(
        bits=64 if head.wide else 32,
        order="little" if head.mark == "<" else "big",
        machine=head.machine,
        type=head.type,
        execstack=executable and head.type in ("dyn", "exec"),
        stack_header=bool(stack),
        needed=tuple(strings.at(offset) for offset in needed),
        soname=named(_DT_SONAME),
        rpath=named(_DT_RPATH),
        runpath=named(_DT_RUNPATH),
        verneed=_versions(head, tags, strings) if _DT_VERNEED in tags else {},
        interp=head.string(interp[-1].offset, interp[-1].offset + interp[-1].filesz) if interp else None,
    )


def _versions(head: Header, tags: Dict[int, int], strings: Strings) -> Dict[str, Tuple[str, ...]]:
    """Walk the version needs. Both chains only move forward, and their lengths are bounded together."""
    region = Forward(head, head.place(tags[_DT_VERNEED], "version needs"))
    need, aux = struct.Struct(head.mark + "HHIII"), struct.Struct(head.mark + "IHHII")
    found: Dict[str, List[str]] = {}
    left, place = _MOST_VERSIONS, 0
    for _turn in range(min(tags.get(_DT_VERNEEDNUM, 0), _MOST_VERSIONS)):
        _version, count, library, first, following = need.unpack(region.at(place, need.size))
        names = found.setdefault(strings.at(library), [])
        inner = place + first
        for _turn in range(count):
            left -= 1
            if left < 0:
                raise head.bad(f"more than {_MOST_VERSIONS} version needs")
            _hash, flags, _other, name, step = aux.unpack(region.at(inner, aux.size))
            if not flags & _VER_FLG_WEAK:
                names.append(strings.at(name))
            if step == 0:
                break
            inner += step
        if following == 0:
            break
        place += following
    return {library: tuple(names) for library, names in found.items()}
