"""The first page of an ELF file: for which machine it is, and which loader starts it.

The whole story (symbols, stack flags) is whisperx_abi's; the probe needs two fields of a header.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Optional

__all__ = ["HEAD", "Elf", "parse"]

HEAD = 8192
_PT_INTERP = 3
# e_machine of the ELF specification -> what ``uname -m`` says.
_MACHINES = {
    (0x3E, 64): "x86_64",
    (0xB7, 64): "aarch64",
    (0x03, 32): "i686",
    (0x28, 32): "armv7l",
    (0x15, 64): "ppc64le",
    (0x16, 64): "s390x",
    (0xF3, 64): "riscv64",
    (0x102, 64): "loongarch64",
}


@dataclass(frozen=True)
class Elf:
    """machine as ``uname -m`` prints it ("" if unknown); loader: PT_INTERP, None if static."""

    machine: str
    loader: Optional[str]


def parse(head: bytes) -> Optional[Elf]:
    """Read the first bytes of a file; None if that is no ELF file (a script, a truncated header).

    A program header that patchelf moved beyond ``head`` is not seen: the loader is None then.
    """
    if len(head) < 64 or head[:4] != b"\x7fELF" or head[4] not in (1, 2) or head[5] not in (1, 2):
        return None
    wide = head[4] == 2
    order = "<" if head[5] == 1 else ">"
    machine = struct.unpack_from(order + "H", head, 18)[0]
    offset = struct.unpack_from(order + ("Q" if wide else "I"), head, 32 if wide else 28)[0]
    size, count = struct.unpack_from(order + "HH", head, 54 if wide else 42)
    return Elf(
        machine=_MACHINES.get((machine, 64 if wide else 32), ""),
        loader=_interpreter(head, order, wide, offset, size, count),
    )


def _interpreter(head: bytes, order: str, wide: bool, offset: int, size: int, count: int) -> Optional[str]:
    """Return the text of the PT_INTERP segment when the program headers and the text lie within ``head``."""
    fields = order + ("II4Q" if wide else "6I")
    for index in range(count):
        start = offset + index * size
        if start + struct.calcsize(fields) > len(head):
            return None
        values = struct.unpack_from(fields, head, start)
        if values[0] != _PT_INTERP:
            continue
        begin, length = (values[2], values[5]) if wide else (values[1], values[4])
        text = head[begin : begin + length]
        return text.rstrip(b"\0").decode("utf-8", "replace") if len(text) == length and length else None
    return None
