"""What a release wants of other packages: METADATA for the target's markers, amendments, and the libraries
it looks up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from ...whisperx_catalogue.catalogue import Catalogue
from ...whisperx_catalogue.release import Release, canonical
from ...whisperx_common.versions import dotted
from ...whisperx_libraries import Marker, Requirement
from ..case import Target
from ..gpu.cuda_libraries import Library
from ..gpu.libraries_needed import wanted_libraries
from ..gpu.profile import GpuProfile
from ..gpu.torch_builds import occupied

__all__ = ["Need", "Wants", "holding", "wants_of"]


@dataclass(frozen=True)
class Need:
    """A package has to be one of the releases in ``mask``. ``limit``: only if something else brings it in."""

    name: str
    text: str
    mask: int
    parent: Release | None = None
    limit: bool = False
    soname: Library | None = None
    why: str = ""
    source: str = ""


@dataclass(frozen=True)
class Wants:
    """What one release wants: of catalogued packages, and (as plain requirements) of others.

    ``dropped``: what its METADATA wants and an amendment leaves out.
    """

    needs: tuple[Need, ...]
    extra: tuple[str, ...]
    bounds: tuple[tuple[str, str], ...]
    dropped: frozenset[str] = frozenset()


@cache
def _holds(marker: Marker, python: str, minor: str, machine: str) -> bool:
    return marker.evaluate(
        {
            "python_version": minor,
            "python_full_version": python,
            "implementation_version": python,
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
            "platform_machine": machine,
            "platform_system": "Linux",
            "platform_release": "",
            "platform_version": "",
            "sys_platform": "linux",
            "os_name": "posix",
            "extra": "",
        }
    )


def wants_of(release: Release, target: Target) -> Wants:
    """Return what a release wants on this target, libraries apart (they depend on the host's GPUs)."""
    python, machine = target.python, target.machine
    key = ("wants", python.version, machine, target.device)
    found: Wants | None = release.cache.get(key)
    if found is None:
        found = release.cache[key] = _wants_of(release, target)
    return found


def _wants_of(release: Release, target: Target) -> Wants:
    machine, catalogue = target.machine, target.catalogue
    needs: list[Need] = []
    extra: list[str] = []
    bounds: list[tuple[str, str]] = []
    dropped = {
        canonical(entry.name) for row in catalogue.amendments(release) for entry in holding(row.drops, target)
    }
    for entry in holding(release.requirements(machine), target):
        if canonical(entry.name) in dropped:
            continue
        part = _build_part(release, entry, catalogue)
        if part == "drop":
            continue
        _add(release, entry, needs, catalogue, limit=part == "limit-on-cpu" and target.device == "cpu")
    for row in catalogue.amendments(release):
        for entry in holding(row.adds, target):
            if not _add(release, entry, needs, catalogue, why=row.sentence, source=f"{row.id}: {row.source}"):
                extra.append(f"{canonical(entry.name)}{entry.specifier}")
        for entry in holding(row.limits, target):
            if not _add(
                release,
                entry,
                needs,
                catalogue,
                limit=True,
                why=row.sentence,
                source=f"{row.id}: {row.source}",
            ):
                bounds.append((canonical(entry.name), str(entry.specifier)))
    return Wants(tuple(needs), tuple(extra), tuple(bounds), frozenset(dropped))


def holding(entries: Iterable[Requirement], target: Target) -> list[Requirement]:
    """Return the requirements whose markers hold on a target."""
    python, minor = dotted(target.python.version), dotted(target.python.minor)
    machine = target.host.machine or ""
    return [
        entry for entry in entries if entry.marker is None or _holds(entry.marker, python, minor, machine)
    ]


def _build_part(release: Release, entry: Requirement, catalogue: Catalogue) -> str | None:
    """Say how to treat what METADATA of one build of a torch release says about the build's own libraries."""
    if not catalogue.info(release.package).builds:
        return None
    name = canonical(entry.name)
    return next((treat for prefix, treat in catalogue.rows.build_parts if name.startswith(prefix)), None)


def _add(
    release: Release,
    entry: Requirement,
    needs: list[Need],
    catalogue: Catalogue,
    limit: bool = False,
    why: str = "",
    source: str = "",
) -> bool:
    name = canonical(entry.name)
    package = catalogue.packages.get(name)
    if package is None:
        return False
    text = str(entry.specifier)
    needs.append(Need(name, text, package.mask(text), release, limit, None, why, source))
    return True


def library_needs(release: Release, target: Target, torch: str | None) -> tuple[Need, ...]:
    """Return which torch releases leave room for the libraries a computing package looks up, if torch is
    about.
    """
    if torch is None or target.device != "cuda" or not target.catalogue.info(release.package).computes:
        return ()
    # Whatever the interpreter and the C library, it follows from the GPUs alone.
    key = ("library needs", id(target.gpu), id(release), torch)
    scratch = target.catalogue.scratch
    if key not in scratch:
        scratch[key] = _library_needs(release, target.gpu, torch, target.catalogue)
    needs: tuple[Need, ...] = scratch[key]
    return needs


def _library_needs(release: Release, gpu: GpuProfile, torch: str, catalogue: Catalogue) -> tuple[Need, ...]:
    wanted = wanted_libraries(release, gpu.machine, catalogue)
    if not wanted:
        return ()
    package = catalogue.packages[torch]
    mask, culprit = 0, None
    for candidate in package.releases:
        clash = occupied(gpu.build(candidate), wanted, gpu.machine, catalogue)
        if clash:
            culprit = clash[0]
        else:
            mask |= candidate.bit
    return (Need(torch, "", mask, release, True, culprit),) if culprit is not None else ()
