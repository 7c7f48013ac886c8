"""Both sides: the archive of a managed Python, as plan, lock and record have it; none is without a digest.

It holds a standalone build of CPython (python-build-standalone): a tree that runs wherever it is unpacked.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Any, Dict, Mapping, Optional

__all__ = ["Archive", "of", "read"]

_FILE = re.compile(r"cpython-[A-Za-z0-9_.+-]+\.tar\.gz")
_PATTERNS = {
    "version": re.compile(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}"),
    "build": re.compile(r"[0-9]{8}"),
    "machine": re.compile(r"[a-z0-9_]{1,32}"),
    "libc": re.compile(r"(glibc|musl) [0-9]{1,3}(\.[0-9]{1,3}){1,2}"),
    "file": _FILE,
    "sha256": re.compile(r"[0-9a-f]{64}"),
}


@dataclass(frozen=True)
class Archive:
    """One build: ``version`` with its patch, ``libc`` the oldest it runs on ("glibc 2.17"), ``size`` in bytes
    or None.
    """

    version: str
    build: str
    machine: str
    libc: str
    file: str
    sha256: str
    size: Optional[int] = None

    @property
    def minor(self) -> str:
        """The minor version, as "3.13"."""
        return ".".join(self.version.split(".")[:2])

    @property
    def key(self) -> str:
        """The name that uv gives to what it installs."""
        libc = "gnu" if self.libc.startswith("glibc") else "musl"
        return "cpython-{}-linux-{}-{}".format(self.version, self.machine, libc)

    def record(self) -> Dict[str, Any]:
        """Return plain data, which ``of`` reads."""
        return asdict(self)

    def line(self) -> str:
        """Return the archive as one line, which ``read`` reads."""
        return json.dumps(self.record(), sort_keys=True, separators=(",", ":"))

    def download(self, url: str) -> Dict[str, Any]:
        """Return uv's list of downloads with this one at ``url``, and the digest that uv compares."""
        major, minor, patch = map(int, self.version.split("."))
        return {
            self.key: {
                "name": "cpython",
                "arch": {"family": self.machine, "variant": None},
                "os": "linux",
                "libc": self.key.rpartition("-")[2],
                "major": major,
                "minor": minor,
                "patch": patch,
                "prerelease": "",
                "url": url,
                "sha256": self.sha256,
                "variant": None,
                "build": self.build,
            }
        }


def of(record: Mapping[str, Any]) -> Archive:
    """Return the archive that a record describes; fields of no archive are left out.

    Raises ValueError for one that pins nothing.
    """
    values = {}
    for name, pattern in _PATTERNS.items():
        value = record.get(name)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError("{} is {!r}".format(name, value))
        values[name] = value
    size = record.get("size")
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 0):
        raise ValueError("size is {!r}".format(size))
    return Archive(size=size, **values)


def read(text: str) -> Optional[Archive]:
    """Return what ``Archive.line`` wrote, None for "". Raises ValueError for anything else."""
    if not text:
        return None
    record = json.loads(text)
    if not isinstance(record, dict):
        raise ValueError("no description of an archive")
    archive = of(record)
    if archive.line() != text:
        raise ValueError("not as it was written")
    return archive
