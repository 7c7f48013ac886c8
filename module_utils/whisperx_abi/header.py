"""The head of an ELF file: what it is, and where its segments lie.

`elf` builds on it to read what the segments say, `repair` to change one word in place. Layout: System V gABI.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Callable, List, Tuple

from ..whisperx_problem import Problem

__all__ = ["MAGIC", "PF_X", "PT_GNU_STACK", "Header", "Segment", "malformed", "unreadable"]

MAGIC = b"\x7fELF"
PT_GNU_STACK = 0x6474E551
PF_X = 1

# Bounds for what a header may claim. Real files stay two orders of magnitude below.
_LONGEST_STRING = 4096
_MOST_PROGRAM_HEADERS = 2048

_PT_LOAD = 1
_TYPES = {1: "rel", 2: "exec", 3: "dyn", 4: "core"}

# e_machine -> name as in `uname -m`; _machine settles the variants by class and byte order.
_MACHINES = {
    2: "sparc", 3: "i686", 8: "mips", 20: "ppc", 21: "ppc64", 22: "s390", 40: "arm", 43: "sparc64",
    62: "x86_64", 183: "aarch64", 243: "riscv", 258: "loongarch",
}  # fmt: skip


@dataclass(frozen=True)
class Segment:
    """One program header. ``flags_at`` is the place in the file of its p_flags word, for repair in place."""

    type: int
    flags: int
    offset: int
    vaddr: int
    filesz: int
    align: int
    flags_at: int


def malformed(where: str, found: str) -> Problem:
    """The problem of a file at ``where`` that no loader takes; ``found`` says what is wrong with it."""
    return Problem(
        "abi.malformed",
        found,
        where,
        "a complete ELF file that the loader accepts",
        "The file is damaged or was not written to its end: install its package again.",
    )


def unreadable(path: str, error: OSError) -> Problem:
    """The problem of a file at ``path`` that the system does not give."""
    return Problem(
        "abi.unreadable",
        f"cannot read: {error.strerror or error}",
        path,
        "a file that can be read",
        "Let the user that runs the audit read the environment.",
    )


class Header:
    """One file's ELF header and segments, checked on construction, and checked access to its bytes.

    Raises Problem("abi.malformed"), and lets through what ``at`` raises.
    """

    def __init__(self, at: Callable[[int, int], bytes], size: int, where: str) -> None:
        self._at = at
        self.size = size
        self._where = where
        ident = self.take(0, 16, "ELF header")
        if ident[:4] != MAGIC:
            raise self.bad(f"no ELF file: begins with {ident[:4]!r}")
        if ident[4] not in (1, 2) or ident[5] not in (1, 2) or ident[6] != 1:
            raise self.bad(f"unknown ELF class, byte order or version {tuple(ident[4:7])}")
        self.wide = ident[4] == 2
        self.mark = "<" if ident[5] == 1 else ">"
        self.type = ""
        self.machine = ""
        self.segments = self._read_segments()
        self._loads = [item for item in self.segments if item.type == _PT_LOAD]

    def bad(self, found: str) -> Problem:
        """The problem to raise for this file."""
        return malformed(self._where, found)

    def take(self, offset: int, count: int, what: str) -> bytes:
        """Exactly ``count`` bytes at ``offset``; ``what`` names them when the file is too short."""
        if offset + count > self.size:
            end = offset + count
            raise self.bad(f"truncated: {what} ends at byte {end}, the file at {self.size}")
        data = self._at(offset, count)
        if len(data) != count:
            raise self.bad(f"truncated: {what} cannot be read at byte {offset}")
        return data

    def _read_segments(self) -> Tuple[Segment, ...]:
        layout = struct.Struct(self.mark + ("HHIQQQIHHH" if self.wide else "HHIIIIIHHH"))
        kind, machine, _version, _entry, start, _shoff, _flags, _ehsize, each, count = layout.unpack(
            self.take(16, layout.size, "ELF header")
        )
        self.type = _TYPES.get(kind, "other")
        self.machine = self._machine(machine)
        entry = struct.Struct(self.mark + ("IIQQQQQQ" if self.wide else "IIIIIIII"))
        if count == 0:
            if self.type in ("dyn", "exec"):
                raise self.bad("no program headers")
            return ()
        if each != entry.size or count > _MOST_PROGRAM_HEADERS:
            raise self.bad(f"{count} program headers of {each} bytes")
        table = self.take(start, each * count, "program header table")
        found: List[Segment] = []
        for index, row in enumerate(entry.iter_unpack(table)):
            place = start + index * each
            if self.wide:
                kind, flags, offset, vaddr, _paddr, filesz, _memsz, align = row
                found.append(Segment(kind, flags, offset, vaddr, filesz, align, place + 4))
            else:
                kind, offset, vaddr, _paddr, filesz, _memsz, flags, align = row
                found.append(Segment(kind, flags, offset, vaddr, filesz, align, place + 24))
            self._check(found[-1])
        return tuple(found)

    def _machine(self, number: int) -> str:
        name = _MACHINES.get(number, f"machine-{number}")
        if name == "x86_64" and not self.wide:
            return "x32"
        if name == "ppc64" and self.mark == "<":
            return "ppc64le"
        if name == "aarch64" and self.mark == ">":
            return "aarch64_be"
        if name in ("riscv", "loongarch"):
            return name + ("64" if self.wide else "32")
        return "s390x" if name == "s390" and self.wide else name

    def _check(self, item: Segment) -> None:
        """What the kernel and the loader check before they map a segment."""
        if item.type != _PT_LOAD:
            return
        if item.offset + item.filesz > self.size:
            raise self.bad(
                f"truncated: a segment ends at byte {item.offset + item.filesz}, the file at {self.size}"
            )
        if self.type == "dyn" and item.align > 1 and (item.vaddr - item.offset) % item.align:
            raise self.bad("a segment is not aligned as its header says")

    def place(self, address: int, what: str) -> int:
        """The offset in the file of a virtual address."""
        for item in self._loads:
            if item.vaddr <= address < item.vaddr + item.filesz:
                return item.offset + address - item.vaddr
        raise self.bad(f"{what} at address {address:#x} lies in no segment")

    def string(self, offset: int, end: int) -> str:
        """The string at ``offset`` of the file; it must end before ``end``."""
        data = self.take(offset, min(_LONGEST_STRING, end - offset), "a string")
        stop = data.find(b"\0")
        if stop < 0:
            raise self.bad("a string without an end")
        return data[:stop].decode("utf-8", "backslashreplace")
