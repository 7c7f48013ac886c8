"""A directory of files by SHA-256: DIR/<SHA-256>/<file>. What is there was verified when it came.

Controller side. Parts of downloads lie in DIR/.part/<SHA-256>: a run that was cut off goes on from there.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..whisperx_common.lockfile import LockedPackage, parse
from ..whisperx_problem import Problem

__all__ = ["House", "indexed"]


@dataclass(frozen=True)
class House:
    """One such directory."""

    root: Path

    def path(self, sha256: str, file: str) -> Path:
        """Return where a file lies, or would."""
        return self.root / sha256 / file

    def part(self, sha256: str) -> Path:
        """Return where a file grows while it is downloaded."""
        return self.root / ".part" / sha256

    def has(self, package: LockedPackage) -> bool:
        """Return whether a locked file is there, whole."""
        path = self.path(package.sha256, package.file)
        return path.is_file() and package.size in (None, path.stat().st_size)

    def lacking(self, packages: Mapping[str, LockedPackage]) -> dict[str, LockedPackage]:
        """Return those of ``packages`` (by SHA-256) that are not there."""
        return {sha256: package for sha256, package in packages.items() if not self.has(package)}

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other runs from filling the same directory meanwhile; they wait. Raises Problem."""
        try:
            (self.root / ".part").mkdir(parents=True, exist_ok=True)
            with (self.root / ".lock").open("w") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise Problem(
                "wheelhouse.directory",
                f"the wheelhouse cannot be used: {error.strerror or error}",
                str(error.filename or self.root),
                "a directory with room that this user may write",
                "Mend it, or set whisperx_wheelhouse_dir to another one.",
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
