"""The rows of interpreters.yml: standalone builds of CPython that a plan may take."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..whisperx_common.versions import Numbers
from .fields import Fields

__all__ = ["Standalone", "read_mirror", "read_standalone"]

_FILE = re.compile(r"cpython-[A-Za-z0-9_.+-]+\.tar\.gz")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_BUILD = re.compile(r"[0-9]{8}")
# Three numbers: a patch release, which is what an archive has.
_PARTS = 3


@dataclass(frozen=True)
class Standalone:
    """One archive: the Python in it, the hosts it runs on, and its SHA-256.

    ``security``: whether its minor version gets nothing but security fixes any more.

    ``libc``: family and oldest version of the C library; ``build``: the date that python-build-standalone
    files it under; ``base``: the address above that; ``size`` in bytes, None where nobody says it.
    """

    version: Numbers
    build: str
    machine: str
    libc: tuple[str, Numbers]
    file: str
    sha256: str
    size: int | None
    base: str
    source: str
    security: bool = False


def read_mirror(row: Fields, source: str) -> str:
    """Return the address that the archives are below."""
    base = row.needed("base", row.text("base"))
    if not base.startswith("https://"):
        raise row.problem("base", base, "an address that begins with https://")
    return str(base.rstrip("/"))


def read_standalone(row: Fields, source: str, base: str) -> Standalone:
    """Read one archive. Raises Problem "catalogue.malformed" for a row that pins nothing."""
    version = row.needed("version", row.version("version"))
    if len(version) != _PARTS:
        raise row.problem("version", row.text("version"), 'a patch release such as "3.13.9"')
    libc = row.needed("libc", row.child("libc"))
    return Standalone(
        version=version,
        build=_matching(row, "build", _BUILD, 'a date such as "20261110"'),
        machine=row.needed("machine", row.text("machine")),
        libc=(
            libc.needed("family", libc.choice("family", ("glibc", "musl"))),
            libc.needed("version", libc.version("version")),
        ),
        file=_matching(row, "file", _FILE, "the name of an archive (cpython-….tar.gz)"),
        sha256=_matching(row, "sha256", _SHA256, "64 lower-case hex digits"),
        size=row.whole("size"),
        base=base,
        source=source,
        security=row.flag("security") is True,
    )


def _matching(row: Fields, key: str, pattern: re.Pattern[str], wanted: str) -> str:
    text: str = row.needed(key, row.text(key))
    if pattern.fullmatch(text) is None:
        raise row.problem(key, text, wanted)
    return text
