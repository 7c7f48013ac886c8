"""The wheels of whisperx_plan_wheels: found, refused by name, measured once per digest, kept.

What is kept is found by the digest of the wheel, its name and the way of measuring, and carries a digest of
its own: a record that somebody changed is measured again.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..whisperx_common import trust
from ..whisperx_common.digests import Digests
from ..whisperx_common.durable import make_directories
from ..whisperx_common.files import sha256_of, write_text
from ..whisperx_common.wording import named, printable
from ..whisperx_problem import Problem
from .archive import Refused
from .packages import Package
from .wheel import Name, measured, name_of

__all__ = ["Given", "gather"]

VARIABLE = "whisperx_plan_wheels"
# Raised with every change of what is measured, and how.
_TOOL = "1"
_SHOWN = 5


@dataclass(frozen=True)
class Given:
    """The wheels that were given. ``rows``: one each, with "file", "sha256", "size" and "path" beside what
    was measured. ``others``: names of wheels of packages that the catalogue does not have. ``measured``: how
    many were not known.
    """

    rows: tuple[Mapping[str, Any], ...] = ()
    others: tuple[str, ...] = ()
    measured: int = 0


def gather(paths: Sequence[str], packages: Mapping[str, Package], cache: Path) -> Given:
    """Return the wheels at ``paths``, files and directories of them. ``cache``: where measurements are kept.

    Raises Problem "wheels.path" for what is not there, "wheels.unreadable", "wheels.name" or "wheels.claims"
    for wheels that are refused, all of them named, and "wheels.untrusted-directory".
    """
    if not paths:
        return Given()
    trust.check(
        {str(cache): "whisperx_plan_cache_dir"}, "wheels.untrusted-directory", trust.controller_users()
    )
    book = _Book(cache)
    refused: list[tuple[Path, Refused]] = []
    files: dict[str, tuple[Path, str]] = {}
    found: list[Mapping[str, Any]] = []
    others: list[str] = []
    for path in _files(paths):
        try:
            digest = book.digest(path)
            if files.setdefault(path.name, (path, digest))[1] != digest:
                raise Refused("wheels.claims", f"{files[path.name][0]} has the same name and other contents")
            name = name_of(path)
            package = packages.get(name.package)
            if package is None:
                others.append(path.name)
            elif files[path.name][0] == path:
                found.append(book.row(path, digest, name, package))
        except Refused as error:
            refused.append((path, error))
    book.save()
    if refused:
        raise _problem(refused)
    return Given(tuple(found), tuple(dict.fromkeys(others)), book.measured)


def _files(paths: Iterable[str]) -> list[Path]:
    """Return every wheel that the paths name, each once. Raises Problem "wheels.path"."""
    found: dict[Path, None] = {}
    for text in paths:
        path = Path(text).expanduser().absolute()
        try:
            within = sorted(path.glob("*.whl")) if path.is_dir() else [path] if path.is_file() else []
        except OSError:
            within = []
        if not within or (within == [path] and path.suffix != ".whl"):
            what = "no such file or directory" if not within else "no wheel"
            what = "a directory without a wheel" if path.is_dir() else what
            raise Problem(
                "wheels.path",
                f"{printable(str(text))}: {what}",
                VARIABLE,
                "wheels, or directories of wheels, on the controller",
                f"Correct {VARIABLE}.",
            )
        found.update(dict.fromkeys(within))
    return list(found)


def _problem(refused: Sequence[tuple[Path, Refused]]) -> Problem:
    """Return what to say of wheels that are refused, all of them by name."""
    told = [f"{printable(path.name)}: {error.found}" for path, error in refused]
    wanted = {
        "wheels.name": "a wheel whose name is what its METADATA, its WHEEL and its libraries say",
        "wheels.claims": "a wheel with one claim for each path",
    }
    first = refused[0]
    return Problem(
        first[1].rule,
        named(told, _SHOWN),
        str(first[0].parent),
        wanted.get(first[1].rule, "a whole wheel"),
        f"Build it again, or remove it from {VARIABLE}.",
    )


@dataclass
class _Book:
    """What is known of wheels. ``measured``: how many were not."""

    cache: Path
    measured: int = 0
    _digests: Digests = field(init=False)

    def __post_init__(self) -> None:
        self._digests = Digests(str(self.cache / "wheels.json"))

    def digest(self, path: Path) -> str:
        """Return a wheel's SHA-256. Raises Refused for what cannot be read."""
        try:
            found = self._digests.of(str(path))
        except OSError as error:
            raise Refused("wheels.unreadable", f"it cannot be read: {error.strerror}") from None
        if not found:
            raise Refused("wheels.unreadable", "it is no file")
        return found

    def save(self) -> None:
        """Keep the digests."""
        self._digests.save()

    def row(self, path: Path, digest: str, name: Name, package: Package) -> dict[str, Any]:
        """Return the row of a wheel, measured if it is not known."""
        recipe = {
            "tool": _TOOL,
            "sha256": digest,
            "file": name.file,
            "members": package.members,
            "also": sorted(package.also),
        }
        key = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
        kept = self.cache / "measured" / f"{key}.json"
        row = _kept(kept)
        if row is None:
            row = _measured(path, digest, name, package)
            self.measured += 1
            with suppress(OSError):  # a cache that cannot be written costs time, nothing else
                make_directories(str(kept.parent), None)
                write_text(str(kept), json.dumps({"row": row, "digest": _digest(row)}) + "\n")
        return {**row, "path": str(path)}


def _kept(path: Path) -> dict[str, Any] | None:
    """Return a row that was kept, None where it is not there or not what was written."""
    with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        record = json.loads(path.read_text("utf-8"))
        if record["digest"] == _digest(record["row"]):
            return dict(record["row"])
    return None


def _digest(row: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()


def _measured(path: Path, digest: str, name: Name, package: Package) -> dict[str, Any]:
    """Measure a wheel through one descriptor, so that what was measured is what has the digest."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as stream:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode) or sha256_of(stream) != digest:
                raise Refused("wheels.unreadable", "it changed while it was read")
            stream.seek(0)
            row = measured(stream, before.st_size, name, package)
            after = os.fstat(descriptor)
    except OSError as error:
        raise Refused("wheels.unreadable", f"it cannot be read: {error.strerror}") from None
    if (after.st_mtime_ns, after.st_ctime_ns, after.st_size) != (
        before.st_mtime_ns,
        before.st_ctime_ns,
        before.st_size,
    ):
        raise Refused("wheels.unreadable", "it changed while it was read")
    return {"file": name.file, "sha256": digest, "size": before.st_size, **row}
