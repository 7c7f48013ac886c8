"""Which build of a torch release serves a host's GPUs, and which CUDA libraries it brings along."""

from __future__ import annotations

from collections.abc import Iterable

from ...whisperx_catalogue.catalogue import Catalogue
from ...whisperx_catalogue.release import Release
from ...whisperx_catalogue.rows import Build, Series
from ..host import Host
from .cuda import Code, capability, driver_cuda, how_it_runs, isa_of_cuda, meets_floor
from .cuda_libraries import Library, brought, filled

__all__ = ["brings", "build_fits", "choose_build", "occupied", "series_of"]


def series_of(release: Release, machine: str | None, catalogue: Catalogue) -> Series | None:
    """Return the row of a torch release's series on a machine."""
    key = ".".join(str(part) for part in release.version.release[:2])
    return catalogue.rows.series.get((key, machine or ""))


def build_fits(build: Build, host: Host, catalogue: Catalogue) -> bool:
    """Say whether a CUDA build runs on every GPU of the host under its driver."""
    if build.cuda is None or not meets_floor(host.driver, build.cuda[0], catalogue):
        return False
    isa = isa_of_cuda(build.cuda, catalogue)
    speaks = driver_cuda(host.driver, catalogue)
    code = Code(build.sass, build.ptx, isa)
    for gpu in host.gpus:
        found = capability(gpu, catalogue)
        how = how_it_runs(code, found) if found else None
        if how is None or (how == "ptx" and (speaks is None or speaks < build.cuda[:2])):
            return False
    return True


def choose_build(release: Release, host: Host, device: str, catalogue: Catalogue) -> Build | None:
    """Return the build to take: the CPU one for a CPU, else the first that fits all GPUs (the default
    index's first).
    """
    if device == "cpu":
        series = series_of(release, host.machine, catalogue)
        return next((build for build in series.builds if build.cuda is None), None) if series else None
    key = ("build", release.package, release.index, host.machine, host.gpus, host.driver)
    if key not in catalogue.scratch:
        series = series_of(release, host.machine, catalogue)
        fitting = (build for build in (series.builds if series else ()) if build_fits(build, host, catalogue))
        catalogue.scratch[key] = next(fitting, None)
    found: Build | None = catalogue.scratch[key]
    return found


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
