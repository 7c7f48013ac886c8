"""GPU code inside a CUDA library: which architectures have machine code, which PTX, and the PTX ISA version.

nvcc puts containers into a library; each has a header (magic, version, header size, size) and entries (kind 1
PTX, kind 2 machine code) with their own header: size at byte 8, ISA minor and major version at 24 and 26,
architecture at 28. The layout is not documented; what it yields agrees with the architectures and toolkits in
the build scripts of CTranslate2.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap

__all__ = ["GpuCode", "gpu_code"]

_CONTAINER = re.compile(re.escape(struct.pack("<IHH", 0xBA55ED50, 1, 16)))
_ENTRY = struct.Struct("<HHIQIIHHI")
_PTX, _SASS = 1, 2


@dataclass(frozen=True)
class GpuCode:
    """``sass`` and ``ptx`` map an architecture (53, 120) to its number of pieces; ``isa`` (8, 7) or None."""

    sass: dict[int, int]
    ptx: dict[int, int]
    isa: tuple[int, int] | None


def gpu_code(view: mmap | bytes) -> GpuCode:
    """Read all containers of a library."""
    sass: Counter[int] = Counter()
    ptx: Counter[int] = Counter()
    isa: tuple[int, int] | None = None
    for kind, arch, version in _entries(view):
        if kind == _SASS:
            sass[arch] += 1
        else:
            ptx[arch] += 1
            isa = max(isa or version, version)
    return GpuCode(dict(sorted(sass.items())), dict(sorted(ptx.items())), isa)


def _entries(view: mmap | bytes) -> Iterator[tuple[int, int, tuple[int, int]]]:
    for match in _CONTAINER.finditer(view):
        start = match.start()
        if start + 16 > len(view):
            return
        size = struct.unpack("<Q", view[start + 8 : start + 16])[0]
        place, end = start + 16, min(start + 16 + size, len(view))
        while place + _ENTRY.size <= end:
            kind, _version, head, length, _compressed, _reserved, minor, major, arch = _ENTRY.unpack(
                view[place : place + _ENTRY.size]
            )
            if kind not in (_PTX, _SASS) or not 10 <= arch <= 999 or not 32 <= head <= 4096:
                break
            yield kind, arch, (major, minor)
            place += head + length
