"""What a wheel's libraries ask for and bring, read from the libraries themselves."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from mmap import mmap
from typing import Any, Protocol

from ..whisperx_abi.elf import Elf, parse
from ..whisperx_abi.header import MAGIC
from ..whisperx_common.versions import numbers
from ..whisperx_libraries import Version
from .fatbin import gpu_code
from .packages import Package

__all__ = ["Members", "measure"]

# Libraries that are opened by name at run time: CUDA's, and what distributed runs want.
_OPENED = re.compile(
    rb"(?<![\w./-])(lib(?:cublas|cublasLt|cudnn\w*|cudart|cuda|nvrtc|nccl|mpi|cufft|curand|cusparse|cusolver)"
    rb"\.so(?:\.[0-9]+)*)\0"
)
_ARCH_FLAGS = re.compile(rb"((?:(?:sm|compute)_\d+[af]? ?){3,})\0")
_LIBAVUTIL = re.compile(r"libavutil\.so\.(\d+)$")
_FFMPEG = re.compile(r"lib(av|sw)[a-z]+\.so\.")
_CUDA = re.compile(r"^cuda\s*(?::[^=]*)?=\s*(?:'([^']*)'|None)", re.MULTILINE)
# glibc itself provides these on every host that takes a manylinux wheel.
_GLIBC = re.compile(r"^(lib(c|m|dl|rt|pthread|util|resolv)\.so\.\d|ld-linux)")


class Members(Protocol):
    """The members of a wheel, wherever it lies."""

    def names(self) -> list[str]:
        """Return the members' names, files only."""

    def text(self, name: str) -> str:
        """Return a small text member."""

    def mapped(self, name: str) -> AbstractContextManager[mmap]:
        """Return a large member, unpacked and mapped."""


def measure(wheel: Members, package: Package, file: str) -> dict[str, Any]:
    """Return the "abi" record of one wheel, ``file`` by name.

    Raises Problem when it cannot be read or is malformed.
    """
    wanted = re.compile(package.members or r"(?!)")
    members = [name for name in wheel.names() if wanted.search(name)]
    found: dict[str, Any] = {"file": file}
    if "names" in package.also:
        found["libraries"] = _by_folder(members)
        return found
    reading = _Reading(package)
    for name in members:
        with wheel.mapped(name) as view:
            reading.add(name, view)
    bundled = {name.rpartition("/")[2] for name in wheel.names()}
    found.update(reading.record(bundled))
    if "torch_version" in package.also:
        match = _CUDA.search(wheel.text("torch/version.py"))
        found["cuda"] = match.group(1) if match else None
    return found


def _by_folder(members: list[str]) -> dict[str, list[str]]:
    """Group paths: folder below site-packages -> names in it."""
    found: dict[str, list[str]] = {}
    for name in sorted(members):
        folder, _separator, own = name.rpartition("/")
        found.setdefault(folder, []).append(own)
    return found


class _Reading:
    """Collects what the libraries of one wheel say."""

    def __init__(self, package: Package) -> None:
        self._also = package.also
        self._elves: dict[str, Elf] = {}
        self._opens: set[str] = set()
        self._sass: set[int] = set()
        self._ptx: set[int] = set()
        self._isa: tuple[int, int] | None = None

    def add(self, name: str, view: mmap) -> None:
        """Read one library."""
        if view[:4] != MAGIC:
            return
        self._elves[name] = parse(lambda offset, size: view[offset : offset + size], len(view), name)
        if "opens" in self._also:
            self._opens.update(match.group(1).decode() for match in _OPENED.finditer(view))
        if "fatbin" in self._also:
            code = gpu_code(view)
            self._sass.update(code.sass)
            self._ptx.update(code.ptx)
            if code.isa:
                self._isa = max(self._isa or code.isa, code.isa)
        if "arch_flags" in self._also:
            match = _ARCH_FLAGS.search(view)
            for flag in match.group(1).decode().split() if match else ():
                kind, _separator, number = flag.partition("_")
                (self._sass if kind == "sm" else self._ptx).add(int(number.rstrip("af")))

    def record(self, bundled: set[str]) -> dict[str, Any]:
        """What they say together; ``bundled`` are the names of all files in the wheel."""
        elves = self._elves
        floors = [elf.glibc for elf in elves.values() if elf.glibc]
        bad = sorted(name.rpartition("/")[2] for name, elf in elves.items() if elf.execstack)
        provides = {elf.soname or name.rpartition("/")[2] for name, elf in elves.items()}
        needs = {item for elf in elves.values() for item in elf.needed if not _GLIBC.match(item)}
        found: dict[str, Any] = {"execstack": bool(bad)}
        if bad:
            found["execstack_in"] = bad
        found["glibc"] = max(floors, key=numbers) if floors else None
        if any(elf.private for elf in elves.values()):
            found["private"] = True
        outside = needs - provides - bundled
        if "ffmpeg" in self._also:
            outside = {item for item in outside if not _FFMPEG.match(item)}
        found["needs"] = sorted(outside)
        found["provides"] = sorted(provides)
        if "opens" in self._also:
            found["opens"] = sorted(self._opens - set(found["needs"]))
        if "fatbin" in self._also or "arch_flags" in self._also:
            found["sass"] = [_dotted(number) for number in sorted(self._sass)]
            found["ptx"] = [_dotted(number) for number in sorted(self._ptx)]
        if "fatbin" in self._also:
            found["ptx_isa"] = ".".join(map(str, self._isa)) if self._isa else None
        if "ffmpeg" in self._also:
            majors = {match.group(1) for item in needs if (match := _LIBAVUTIL.match(item))}
            found["ffmpeg"] = sorted(map(int, majors))
        return found


def _dotted(arch: int) -> str:
    """53 -> "5.3", 120 -> "12.0"."""
    return str(Version(f"{arch // 10}.{arch % 10}"))
