"""/etc/ld.so.cache: which file glibc's loader takes for a soname.

The layout is glibc's ``sysdeps/generic/dl-cache.h``: optionally the old table ("ld.so-1.7.0", 12 bytes an
entry), then the new one ("glibc-ld.so.cache1.1", a 48 byte header, 24 bytes an entry); offsets count from the
new header. musl has no such file.
"""

from __future__ import annotations

import struct
from typing import Dict, List, Sequence, Tuple

from ..whisperx_problem import Problem

__all__ = ["parse"]

_OLD = b"ld.so-1.7.0\0"
_NEW = b"glibc-ld.so.cache1.1"
_HEADER = struct.Struct("=20sII20x")
_ENTRY = struct.Struct("=iIIIQ")
# Flag byte of an entry: 3 = an ELF library for glibc; the byte above it names the machine.
_FLAGS: Dict[str, int] = {
    "x86_64": 0x0303,
    "aarch64": 0x0A03,
    "i686": 0x0003,
    "ppc64le": 0x0503,
    "s390x": 0x0403,
    "riscv64": 0x1003,
    "loongarch64": 0x1203,
    "armv7l": 0x0903,
}


def parse(data: bytes, machine: str, prefixes: Sequence[str]) -> List[Tuple[str, str]]:
    """Return (soname, path) of the entries for ``machine`` whose soname starts with one of ``prefixes``.

    The order is the cache's, which is the loader's order of preference. Problem when the bytes are no such
    cache.
    """
    start = _new_table(data)
    _magic, count, _length = _HEADER.unpack_from(data, start)
    first = start + _HEADER.size
    if first + count * _ENTRY.size > len(data):
        raise _broken(f"it says {count} entries, more than its {len(data)} bytes hold")
    wanted = tuple(prefix.encode() for prefix in prefixes)
    if not any(prefix in data for prefix in wanted):
        return []
    flags = _FLAGS.get(machine)
    found = []
    table = data[first : first + count * _ENTRY.size]
    for kind, key, value, _os_version, _hwcap in _ENTRY.iter_unpack(table):
        if kind == flags and data.startswith(wanted, start + key):
            found.append((_string(data, start + key), _string(data, start + value)))
    return found


def _new_table(data: bytes) -> int:
    """Return the offset of the new table's header."""
    start = 0
    if data.startswith(_OLD) and len(data) >= 16:
        count = struct.unpack_from("=I", data, 12)[0]
        start = (16 + count * 12 + 7) // 8 * 8
    if data[start : start + len(_NEW)] != _NEW or start + _HEADER.size > len(data):
        raise _broken(f"it starts with {data[:20]!r}")
    return start


def _string(data: bytes, offset: int) -> str:
    """Return the NUL-terminated string at ``offset``."""
    end = data.find(b"\0", offset)
    return data[offset : end if end >= 0 else len(data)].decode("utf-8", "replace")


def _broken(found: str) -> Problem:
    return Problem(
        "host.ld-cache",
        f"the cache of the dynamic loader cannot be read: {found}",
        "/etc/ld.so.cache",
        'a cache of glibc ("glibc-ld.so.cache1.1")',
        "Run ldconfig on the host.",
    )
