"""The archives of managed Pythons: where the controller gets one from that is locked, once per site.

An archive is locked by its digest as a wheel is, and travels to the hosts with the run. It is fetched when a
class that has it is locked and the cache has not got it; a host never fetches one itself.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..whisperx_common.lockfile import Lock
from ..whisperx_common.standalone import Archive
from ..whisperx_problem import Problem
from .files import Store, download
from .sources import Index, Sources
from .wheels import LocalFile

__all__ = ["Pythons"]

_VARIABLE = "whisperx_plan_python_mirror"
# How the reason phrases of a server that lacks a file end.
_MISSING = ("Not Found", "Gone")


@dataclass(frozen=True)
class Pythons:
    """Finds archives: in the bundle if there is one, else in the cache, in the mirror, or where uv looks."""

    store: Store
    sources: Sources
    bundle: Path | None = None

    def files(self, lock: Lock, plan: Mapping[str, Any]) -> tuple[LocalFile, ...]:
        """Return the archive of a lock as a file that travels, () without one.

        Raises Problem ("lock.python", "lock.download", "lock.wrong-hash", "bundle.no-lock").
        """
        archive = lock.archive
        if archive is None:
            return ()
        base = str((plan.get("python_archive") or {}).get("base") or "")
        path = self._bundled(archive) if self.bundle else self._fetched(archive, base)
        return (LocalFile(archive.file, archive.sha256, str(path)),)

    def _bundled(self, archive: Archive) -> Path:
        path = (self.bundle or Path()) / "pythons" / archive.sha256 / archive.file
        if not path.is_file() or self.store.digest(path) != archive.sha256:
            raise Problem(
                "bundle.no-python",
                f"the bundle lacks Python {archive.version} ({archive.file})",
                str(path),
                f"the file with SHA-256 {archive.sha256}",
                "Make the bundle again with playbooks/bundle.yml, for these hosts and the same request.",
            )
        return path

    def _fetched(self, archive: Archive, base: str) -> Path:
        mirror = self.sources.python

        def make(folder: Path) -> Path:
            target = folder / archive.file
            if isinstance(mirror, Path):
                self._copy(mirror, archive, target)
                return target
            top = mirror.url if isinstance(mirror, Index) else base
            url = f"{top.rstrip('/')}/{archive.build}/{quote(archive.file)}"
            try:
                download(url, archive.sha256, target, self.sources, _VARIABLE)
            except Problem as problem:
                raise _told(problem, archive, self.sources.scrub(top)) from None
            return target

        return self.store.python(archive.sha256, archive.file, make)

    def _copy(self, mirror: Path, archive: Archive, target: Path) -> None:
        """Take the archive from a directory: as a mirror has it, or as somebody downloaded it."""
        places = [mirror / archive.build / archive.file, mirror / archive.file]
        found = next((path for path in places if path.is_file()), None)
        if found is None:
            raise Problem(
                "lock.python",
                f"{archive.file} is not there",
                str(places[0]),
                f"the archive of Python {archive.version} with SHA-256 {archive.sha256}",
                f"Put it there, or leave {_VARIABLE} empty.",
            )
        shutil.copyfile(found, target)
        digest = self.store.digest(target)
        if digest != archive.sha256:
            wrong = Problem("lock.wrong-hash", f"{archive.file} has SHA-256 {digest}", "", "", "")
            raise _told(wrong, archive, str(found))


def _told(problem: Problem, archive: Archive, where: str) -> Problem:
    """Return a problem of the download with what is wanted, and the next step for who wants a Python."""
    found, remedy = problem.found, problem.remedy
    if problem.rule == "lock.wrong-hash":
        remedy = "Do not use it until it is known why the file changed."
    elif problem.rule == "lock.download" and found.endswith(_MISSING):
        found = f"{archive.file} is not there (HTTP 404)"
        remedy = f"Put it there, below {archive.build}/, or set {_VARIABLE} to a place that has it."
    elif problem.rule != "lock.download":
        return problem
    wanted = f"the archive of Python {archive.version} with SHA-256 {archive.sha256}"
    return Problem(problem.rule, found, where, wanted, remedy)
