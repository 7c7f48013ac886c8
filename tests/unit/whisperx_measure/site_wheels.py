"""Wheels as a site builds them: small ones with written libraries, and real ones with a local version."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

from tests.unit.whisperx_abi.elf_samples import write_library

__all__ = ["MACHINES", "build", "fatbin", "library", "record", "relabelled", "write"]

MACHINES = {"x86_64": 62, "aarch64": 183}


def fatbin(*entries: tuple[int, int, int, int]) -> bytes:
    """A container with entries (kind 2 machine code or 1 PTX, architecture, ISA major, ISA minor)."""
    rows = b"".join(
        struct.pack("<HHIQIIHHI", kind, 0, 64, 16, 0, 0, minor, major, arch).ljust(64, b"\0") + b"code" * 4
        for kind, arch, major, minor in entries
    )
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(rows)) + rows


def library(
    machine: str = "aarch64",
    sass: tuple[int, ...] = (87,),
    opens: tuple[str, ...] = ("libcublas.so.12",),
    needed: tuple[str, ...] = ("libc.so.6", "libstdc++.so.6"),
    glibc: str = "2.17",
    stack: int = 6,
) -> bytes:
    """A shared object with device code and names of libraries that it opens."""
    versions = (("libc.so.6", ((f"GLIBC_{glibc}", False),)),)
    base = write_library(machine=MACHINES[machine], needed=needed, versions=versions, stack=stack)
    names = b"".join(b"\0" + name.encode() + b"\0" for name in opens)
    return base + names + fatbin(*((2, arch, 0, 0) for arch in sass))


def record(members: Mapping[str, bytes], info: str) -> bytes:
    """The RECORD of such members."""
    rows = io.StringIO()
    table = csv.writer(rows, lineterminator="\n")
    for name, data in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        table.writerow((name, f"sha256={digest}", len(data)))
    table.writerow((f"{info}/RECORD", "", ""))
    return rows.getvalue().encode()


def write(path: Path, members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    """Write a zip file of just these members."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return path


def build(
    folder: Path,
    name: str = "ctranslate2",
    version: str = "4.8.5+cu126.sm87",
    tag: str = "cp310-cp310-linux_aarch64",
    members: Mapping[str, bytes] | None = None,
    requires: tuple[str, ...] = ("setuptools", "numpy", "pyyaml<7,>=5.3"),
    python: str = ">=3.9",
) -> Path:
    """Write a whole wheel of a package, by default one for a Jetson Orin."""
    stem = name.replace("-", "_")
    info = f"{stem}-{version}.dist-info"
    head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Python: {python}\n"
    inside = dict({f"{stem}/_ext.so": library()} if members is None else members)
    inside[f"{info}/METADATA"] = (head + "".join(f"Requires-Dist: {one}\n" for one in requires)).encode()
    inside[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
    inside[f"{info}/RECORD"] = record(inside, info)
    return write(folder / f"{stem}-{version}-{tag}.whl", inside)


def relabelled(source: Path, folder: Path, label: str) -> Path:
    """Write a wheel of an index again with a local version: METADATA, directories and RECORD fit it."""
    stem, version, *tags = source.name.removesuffix(".whl").split("-")
    old, new = f"{stem}-{version}", f"{stem}-{version}+{label}"
    with zipfile.ZipFile(source) as archive:
        members = {
            entry.filename.replace(f"{old}.", f"{new}.", 1): archive.read(entry)
            for entry in archive.infolist()
            if not entry.is_dir() and not entry.filename.endswith("/RECORD")
        }
    path = f"{new}.dist-info/METADATA"
    members[path] = members[path].replace(
        f"\nVersion: {version}".encode(), f"\nVersion: {version}+{label}".encode()
    )
    members[f"{new}.dist-info/RECORD"] = record(members, f"{new}.dist-info")
    return write(folder / f"{'-'.join([new, *tags])}.whl", members)
