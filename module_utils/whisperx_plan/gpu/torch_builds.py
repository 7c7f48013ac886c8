"""Which builds a torch release has, and which CUDA libraries each brings along."""

from __future__ import annotations

from collections.abc import Iterable

from ...whisperx_catalogue.catalogue import Catalogue
from ...whisperx_catalogue.release import Release
from ...whisperx_catalogue.rows import Build, Rows, Series
from .cuda_libraries import Library, brought, filled

__all__ = ["brings", "occupied", "series_of"]


def series_of(release: Release, machine: str | None, rows: Rows) -> Series | None:
    """Return the row of a torch release's series on a machine."""
    if "series" not in release.cache:
        release.cache["series"] = ".".join(str(part) for part in release.version.release[:2])
    return rows.series.get((release.cache["series"], machine or ""))


def brings(build: Build | None, wanted: Library, machine: str | None, catalogue: Catalogue) -> bool:
    """Say whether a torch build brings a library along."""
    if build is None or build.cuda is None or build.cuda[0] != wanted.cuda:
        return False
    paths = brought(build, machine, catalogue)
    return paths is not None and f"{wanted.path}/{wanted.name}" in paths


def occupied(
    build: Build | None, wanted: Iterable[Library], machine: str | None, catalogue: Catalogue
) -> list[Library]:
    """Return the libraries that the build does not bring and leaves no room for.

    Its own packages fill the same folder (of cuDNN, NCCL and NVSHMEM even the files of CUDA 12 and 13 have
    the same paths), or it has another release of the very package.
    """
    if build is None or build.cuda is None:
        return []
    folders = filled(build, machine, catalogue)
    return [
        row
        for row in wanted
        if not brings(build, row, machine, catalogue)
        # What was not measured may lie anywhere.
        and (folders is None or row.cuda == build.cuda[0] or not row.folders.isdisjoint(folders))
    ]
