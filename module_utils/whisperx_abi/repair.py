"""Rewrite a wheel so that its libraries no longer ask for an executable stack.

In: a wheel file. Out: a wheel with the same contents, in which PF_X of every PT_GNU_STACK header is cleared
in place, the version has a local label (PEP 440: `==1.2` still accepts `1.2+execstack0`), RECORD fits again,
and a JSON file beside METADATA tells the digest of the original and the tool. The bytes written depend on
the original and the label only, on any controller: packed members are copied, and no compressor runs (see
`deflate`).

Clearing the flag is safe when the code runs nothing on the stack. For assembly without a .note.GNU-stack
section, the usual origin of the flag, that is so; the pipeline check before the switch proves it.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import BinaryIO, Dict, List, Optional, Tuple

from ..whisperx_problem import Problem
from .deflate import replace_head
from .elf import parse
from .header import MAGIC, PF_X, PT_GNU_STACK, Header
from .wheelzip import DEFLATED, STORED, Member, ZipWriter, packed_bytes, stored

__all__ = ["NOTE", "TOOL", "Repaired", "clear_execstack"]

NOTE = "whisperx_fleet_repair.json"
# What wrote the note; the number changes whenever the same wheel would become other bytes.
TOOL = "whisperx-fleet clear_execstack 1"

_LABEL = re.compile(r"[a-z0-9]+(\.[a-z0-9]+)*\Z")
_VERSION = re.compile(rb"^(Version:[ \t]*)([^\r\n]+?)[ \t]*$", re.MULTILINE)
# Bytes of one unpacked member. The largest library that was ever repaired has a quarter; a bomb has more.
_LARGEST = 2 << 30
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")


@dataclass(frozen=True)
class Repaired:
    """The repaired wheel at ``path`` and both digests, SHA-256 in hex."""

    path: str
    sha256: str
    original_sha256: str


@dataclass(frozen=True)
class _Names:
    """How file and directories are called, before and after."""

    file: str
    info: str
    data: str
    new_file: str
    new_info: str
    new_data: str

    def renamed(self, member: str) -> str:
        for old, new in ((self.info, self.new_info), (self.data, self.new_data)):
            if member.startswith(old + "/"):
                return new + member[len(old) :]
        return member


def clear_execstack(wheel_path: str, out_dir: str, local_label: str = "execstack0") -> Repaired:
    """Write the repaired wheel to ``out_dir``, replacing one of the same name.

    Raises Problem: repair.label, repair.wheel (no wheel, or not what its RECORD says), repair.nothing (no
    member asks), repair.no-header (asks by not having the header), repair.too-large, abi.malformed.
    """
    if not _LABEL.match(local_label):
        raise Problem(
            "repair.label",
            f"the local label {local_label!r}",
            "local_label",
            "lower-case letters and digits, in parts divided by dots",
            "Use a label that PEP 440 allows after the plus sign.",
        )
    with open(wheel_path, "rb") as source:
        original = _digest(source)
        try:
            with zipfile.ZipFile(source) as archive:
                names = _names(wheel_path, archive, local_label)
                members, changed = _members(archive, source, names, wheel_path, local_label)
        # OSError and ValueError: a damaged directory sends the reader to a place before the file's start.
        except (
            *(zipfile.BadZipFile, zlib.error, struct.error),
            *(EOFError, KeyError, RuntimeError, OSError, ValueError),
        ) as error:
            raise _no_wheel(wheel_path, f"cannot be unpacked: {error}") from error
    if not changed:
        raise Problem(
            "repair.nothing",
            "no library in it asks for an executable stack",
            wheel_path,
            "a wheel that needs this repair",
            "Install the wheel as it is.",
        )
    note = {"schema": 1, "tool": TOOL, "file": names.file, "sha256": original, "changed": changed}
    members.append(
        stored(names.new_info + "/" + NOTE, (json.dumps(note, indent=1, sort_keys=True) + "\n").encode())
    )
    os.makedirs(out_dir, exist_ok=True)
    path = os.path.join(out_dir, names.new_file)
    with open(path + ".new", "w+b") as target:
        _write(target, members, names.new_info)
        digest = _digest(target)
    os.replace(path + ".new", path)
    return Repaired(path, digest, original)


def _digest(stream: BinaryIO) -> str:
    stream.seek(0)
    state = hashlib.sha256()
    while True:
        block = stream.read(1 << 20)
        if not block:
            return state.hexdigest()
        state.update(block)


def _no_wheel(path: str, found: str) -> Problem:
    return Problem(
        "repair.wheel", found, path, "a complete wheel", "Download the wheel again and check its digest."
    )


def _names(path: str, archive: zipfile.ZipFile, label: str) -> _Names:
    file = os.path.basename(path)
    parts = file[:-4].split("-")
    if not file.endswith(".whl") or len(parts) not in (5, 6):
        raise _no_wheel(path, "not named as a wheel")
    stem, version = "-".join(parts[:2]), parts[1]
    info = [
        name[: -len("/RECORD")] for name in archive.namelist() if re.match(r"[^/]+\.dist-info/RECORD\Z", name)
    ]
    if len(info) != 1:
        raise _no_wheel(path, f"has {len(info)} RECORD files")
    base = info[0][: -len(".dist-info")]
    mark = "." if "+" in version else "+"
    return _Names(
        file,
        info[0],
        base + ".data",
        "-".join([stem + mark + label, *parts[2:]]) + ".whl",
        base + mark + label + ".dist-info",
        base + mark + label + ".data",
    )


def _members(
    archive: zipfile.ZipFile, source: BinaryIO, names: _Names, where: str, label: str
) -> Tuple[List[Member], List[str]]:
    """All members but RECORD, as they go into the new wheel, and the names of the libraries changed."""
    for info in archive.infolist():
        if info.file_size > _LARGEST:
            raise _no_wheel(where, f"{info.filename!a} unpacks to {info.file_size} bytes")
    recorded = _recorded(archive.read(names.info + "/RECORD"), where)
    members: List[Member] = []
    changed: List[str] = []
    dropped = {names.info + "/RECORD", *(names.info + "/" + name for name in _SIGNATURES)}
    for info in archive.infolist():
        if info.is_dir() or info.filename in dropped:
            continue
        data = archive.read(info)
        _check(recorded, info.filename, data, where)
        if info.compress_type not in (STORED, DEFLATED):
            raise _no_wheel(where, f"{info.filename} is packed by method {info.compress_type}")
        name, attributes = names.renamed(info.filename), info.external_attr or 0o100644 << 16
        fresh: Optional[bytes] = None
        if info.filename == names.info + "/METADATA":
            fresh = _relabelled(data, label, where)
        elif data[:4] == MAGIC:
            fresh = _cleared(data, f"{where}: {info.filename}")
            if fresh is not None:
                changed.append(info.filename)
        packed = packed_bytes(source, info)
        if fresh is None:
            # The reader above stops when it has all bytes, also of a stream that goes on or has no end.
            if info.compress_type == DEFLATED and zlib.decompress(packed, -15) != data:
                raise _no_wheel(where, f"{info.filename} is not packed as its size says")
            members.append(Member(name, info.compress_type, packed, info.CRC, info.file_size, attributes))
            continue
        again = None
        if info.compress_type == DEFLATED and len(fresh) == len(data):
            again = replace_head(packed, fresh, _last_difference(data, fresh))
        if again is None:
            members.append(stored(name, fresh, attributes))
        else:
            members.append(Member(name, DEFLATED, again, zlib.crc32(fresh), len(fresh), attributes))
    return members, sorted(changed)


def _recorded(text: bytes, where: str) -> Dict[str, str]:
    """RECORD's digests: member -> "sha256=…", those of other algorithms left out."""
    try:
        rows = list(csv.reader(io.StringIO(text.decode("utf-8"))))
    except (UnicodeDecodeError, csv.Error) as error:
        raise _no_wheel(where, f"RECORD cannot be read: {error}") from error
    return {row[0]: row[1] for row in rows if len(row) == 3 and row[1].startswith("sha256=")}


def _record_digest(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def _check(recorded: Dict[str, str], name: str, data: bytes, where: str) -> None:
    if recorded.get(name, "") not in ("", _record_digest(data)):
        raise _no_wheel(where, f"{name} differs from RECORD")


def _relabelled(metadata: bytes, label: str, where: str) -> bytes:
    match = _VERSION.search(metadata)
    if match is None:
        raise _no_wheel(where, "METADATA has no version")
    mark = b"." if b"+" in match.group(2) else b"+"
    return metadata[: match.end(2)] + mark + label.encode() + metadata[match.end(2) :]


def _cleared(data: bytes, where: str) -> Optional[bytes]:
    """The library with the flag cleared; None where it does not ask."""

    def at(offset: int, size: int) -> bytes:
        return data[offset : offset + size]

    elf = parse(at, len(data), where)
    if not elf.execstack:
        return None
    if not elf.stack_header:
        raise Problem(
            "repair.no-header",
            "it has no PT_GNU_STACK header, and so gets an executable stack",
            where,
            "a header whose flag can be cleared",
            "Use a newer release of the package, or allow executable stacks with the tunable.",
        )
    head = Header(at, len(data), where)
    fresh = bytearray(data)
    for item in head.segments:
        if item.type == PT_GNU_STACK and item.flags & PF_X:
            struct.pack_into(head.mark + "I", fresh, item.flags_at, item.flags & ~PF_X)
    return bytes(fresh)


def _last_difference(one: bytes, other: bytes) -> int:
    """One past the last place where two strings of the same length differ."""
    low, high = 0, len(one)
    while low < high:
        middle = (low + high) // 2
        if one[middle:high] == other[middle:high]:
            high = middle
        else:
            low = middle + 1
    return low


def _write(target: BinaryIO, members: List[Member], info: str) -> None:
    """Write the members, RECORD last."""
    rows = io.StringIO()
    table = csv.writer(rows, lineterminator="\n")
    writer = ZipWriter(target)
    for member in members:
        data = zlib.decompress(member.packed, -15) if member.method == DEFLATED else member.packed
        table.writerow((member.name, _record_digest(data), len(data)))
        writer.add(member)
    table.writerow((info + "/RECORD", "", ""))
    writer.add(stored(info + "/RECORD", rows.getvalue().encode()))
    writer.close()
