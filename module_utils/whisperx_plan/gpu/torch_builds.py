"""Which builds a torch release has, and which CUDA libraries each brings along."""

from __future__ import annotations

from collections.abc import Iterable

from ...whisperx_catalogue.catalogue import Catalogue
from ...whisperx_catalogue.release import Release
from ...whisperx_catalogue.rows import Build, Rows, Series
from ...whisperx_common.versions import strict_numbers
from .cuda_libraries import Library, brought, filled

__all__ = ["brings", "occupied", "series_of"]


def series_of(release: Release, machine: str | None, rows: Rows) -> Series | None:
    """Return the row of a torch release's series on a machine; of a user's own wheel what was measured."""
    if release.site:
        return _measured(release, machine or "")
    if "series" not in release.cache:
        release.cache["series"] = ".".join(str(part) for part in release.version.release[:2])
    return rows.series.get((release.cache["series"], machine or ""))


def _measured(release: Release, machine: str) -> Series | None:
    """Return the one build that a user's own wheel is."""
    if machine not in release.site_cuda or machine not in release.abi:
        return None
    abi, cuda = release.abi[machine], strict_numbers(release.site_cuda[machine])
    key = ("site series", machine)
    if key not in release.cache:
        name = release.version.local or ("cu" + "".join(map(str, cuda[:2])) if cuda else "cpu")
        build = Build(name, cuda, None, abi.sass if cuda else (), abi.ptx if cuda else ())
        release.cache[key] = Series(name, (build,), "the wheel itself")
    series: Series = release.cache[key]
    return series


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
