"""ELF files to read: real ones from the compiler, written ones for machines it does not know."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

__all__ = ["CC", "compile_library", "drop_stack_header", "write_library"]

CC = shutil.which("cc")

SOURCE = '#include <stdio.h>\n#include <math.h>\nint sample(double x) { return printf("%f", cos(x)); }\n'
PROGRAM = '#include <stdio.h>\nint main(void) { return puts("x") < 0; }\n'


def compile_library(directory: Path, name: str, *options: str, source: str = SOURCE) -> Path:
    """Compile a small file with the host's compiler; a library unless ``source`` is `PROGRAM`."""
    code = directory / f"{name}.c"
    code.write_text(source)
    kind = [] if source is PROGRAM else ["-shared", "-fPIC"]
    target = directory / name
    subprocess.run([str(CC), *kind, *options, "-o", target, code, "-lm"], check=True, capture_output=True)
    code.unlink()
    return target


def drop_stack_header(path: Path) -> None:
    """Turn PT_GNU_STACK of a 64-bit little-endian file into PT_NULL, as if the linker had left it out."""
    data = bytearray(path.read_bytes())
    start, each, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
    for index in range(count):
        if struct.unpack_from("<I", data, start + index * each)[0] == 0x6474E551:
            struct.pack_into("<I", data, start + index * each, 0)
    path.write_bytes(data)


def write_library(
    bits: int = 64,
    order: str = "little",
    machine: int = 62,
    stack: int | None = 6,
    versions: tuple[tuple[str, tuple[tuple[str, bool], ...]], ...] = (),
    needed: tuple[str, ...] = ("libc.so.6",),
    soname: str | None = "libwritten.so.1",
    kind: int = 3,
) -> bytes:
    """Write a minimal shared object; ``stack`` is p_flags of PT_GNU_STACK, None leaves the header out.

    ``versions``: (library, ((version name, weak?), …)), as the version needs of a linked object.
    """
    wide, mark = bits == 64, "<" if order == "little" else ">"
    strings = bytearray(b"\0")

    def text(value: str) -> int:
        place = len(strings)
        strings.extend(value.encode() + b"\0")
        return place

    need = bytearray()
    for index, (library, names) in enumerate(versions):
        size = 16 + 16 * len(names)
        last = index == len(versions) - 1
        need += struct.pack(mark + "HHIII", 1, len(names), text(library), 16, 0 if last else size)
        for inner, (name, weak) in enumerate(names):
            step = 0 if inner == len(names) - 1 else 16
            need += struct.pack(mark + "IHHII", 0, 2 if weak else 0, 2, text(name), step)
    tags = [(1, text(name)) for name in needed]
    if soname:
        tags.append((14, text(soname)))
    head, each = (64, 56) if wide else (52, 32)
    count = 2 + (stack is not None)
    place = head + each * count
    pair = mark + ("QQ" if wide else "II")
    length = struct.calcsize(pair) * (len(tags) + 3 + 2 * bool(versions))
    at_strings = place + length
    at_need = at_strings + len(strings)
    tags += [(5, at_strings), (10, len(strings))]
    if versions:
        tags += [(0x6FFFFFFE, at_need), (0x6FFFFFFF, len(versions))]
    tags.append((0, 0))
    dynamic = b"".join(struct.pack(pair, *tag) for tag in tags)
    total = at_need + len(need)

    def segment(kind: int, flags: int, offset: int, size: int, align: int) -> bytes:
        if wide:
            return struct.pack(mark + "IIQQQQQQ", kind, flags, offset, offset, offset, size, size, align)
        return struct.pack(mark + "IIIIIIII", kind, offset, offset, offset, size, size, flags, align)

    table = segment(1, 5, 0, total, 4096) + segment(2, 6, place, len(dynamic), 8)
    if stack is not None:
        table += segment(0x6474E551, stack, 0, 0, 16)
    ident = b"\x7fELF" + bytes((2 if wide else 1, 1 if order == "little" else 2, 1)) + bytes(9)
    layout = mark + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH")
    header = struct.pack(layout, kind, machine, 1, 0, head, 0, 0, head, each, count, 0, 0, 0)
    return ident + header + table + dynamic + bytes(strings) + bytes(need)
