"""A directory of files by SHA-256: DIR/<SHA-256>/<file>. A name proves nothing: what is used is compared.

Controller side. Parts of downloads lie in DIR/.part/<SHA-256>: a run that was cut off goes on from there.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..whisperx_common.digests import Digests
from ..whisperx_common.lockfile import LockedPackage, parse
from ..whisperx_problem import Problem

__all__ = ["House", "indexed"]


@dataclass(frozen=True)
class House:
    """One such directory."""

    root: Path
    # Of a bundle every file was compared a moment ago, and nothing is written there.
    compared: bool = False
    _digests: Digests = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_digests", Digests(str(self.root / ".digests.json")))

    def path(self, sha256: str, file: str) -> Path:
        """Return where a file lies, or would."""
        return self.root / sha256 / file

    def part(self, sha256: str) -> Path:
        """Return where a file grows while it is downloaded."""
        return self.root / ".part" / sha256

    def has(self, package: LockedPackage) -> bool:
        """Return whether a locked file is there, and is that file."""
        return self.right(package.sha256, package.file, package.size)

    def right(self, sha256: str, file: str, size: int | None = None) -> bool:
        """Return whether a file is there and has the digest it is filed under."""
        path = self.path(sha256, file)
        if path.is_symlink() or not path.is_file() or size not in (None, path.stat().st_size):
            return False
        with suppress(OSError):
            return self.compared or self._digests.of(str(path)) == sha256
        return False

    def discard(self, sha256: str, file: str) -> None:
        """Remove a file that is another than the one it is filed as. Raises Problem."""
        with self._usable():
            self.path(sha256, file).unlink(missing_ok=True)

    def remember(self) -> None:
        """Keep the digests of what was looked at, so that the next run need not read what did not change."""
        if not self.compared and self.root.is_dir():
            self._digests.save()

    def lacking(self, packages: Mapping[str, LockedPackage]) -> dict[str, LockedPackage]:
        """Return those of ``packages`` (by SHA-256) that are not there, or are another file."""
        return {sha256: package for sha256, package in packages.items() if not self.has(package)}

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other runs from filling the same directory meanwhile; they wait. Raises Problem."""
        with self._usable():
            (self.root / ".part").mkdir(parents=True, exist_ok=True)
            with (self.root / ".lock").open("w") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX)
                yield

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Problem(
                "wheelhouse.directory",
                f"the wheelhouse cannot be used: {error.strerror or error}",
                str(error.filename or self.root),
                "a directory with free space that this user may write",
                "Repair it, or set whisperx_wheelhouse_dir to another one.",
            ) from None

    def check_room(self, size: int) -> None:
        """Raise Problem "wheelhouse.disk-space" when ``size`` bytes more do not fit."""
        place = self.root
        while not place.is_dir():
            place = place.parent
        answer = os.statvfs(place)
        room = answer.f_bavail * answer.f_frsize
        if room < size:
            raise Problem(
                "wheelhouse.disk-space",
                f"{room >> 20} MiB free",
                str(self.root),
                f"{-(-size >> 20)} MiB for wheels that the locks name",
                "Free some space, or set whisperx_wheelhouse_dir to a larger file system.",
            )


def indexed(texts: Mapping[str, str]) -> dict[str, LockedPackage]:
    """Return SHA-256 -> package of all that the locks (class -> text) take from an index."""
    return {
        package.sha256: package
        for name in sorted(texts)
        for package in parse(texts[name], f"the lock {name}").packages
        if not package.travels
    }
