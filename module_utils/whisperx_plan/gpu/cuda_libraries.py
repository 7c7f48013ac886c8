"""Which package brings a CUDA library that is looked up by name, where it lies, and what lies there already.

All of it is measured: the file lists of NVIDIA's wheels, each package of one CUDA major (``Package.cuda``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...whisperx_catalogue.catalogue import Catalogue, Package
from ...whisperx_catalogue.release import Release, canonical
from ...whisperx_catalogue.rows import Build

__all__ = ["Library", "brought", "family", "filled", "folder_of", "providers"]

# The one library whose version is in the row of a build: the others have one soname per CUDA major.
_CUDNN = "libcudnn."


@dataclass(frozen=True)
class Library:
    """A library by its soname, and the package of one CUDA major that brings it.

    ``range`` admits the releases that carry it, ``path`` is its folder below site-packages, ``folders`` are
    all that the package and those it needs fill.
    """

    name: str
    package: str
    cuda: int
    range: str
    path: str
    folders: frozenset[str]


def family(cuda: int, catalogue: Catalogue) -> list[Package]:
    """Return the packages of libraries of one CUDA major."""
    return [package for package in catalogue.packages.values() if package.cuda == cuda]


def providers(soname: str, machine: str | None, catalogue: Catalogue) -> tuple[Library, ...]:
    """Return the packages that bring a library on a machine, one per CUDA major, the oldest major first."""
    key = ("providers", soname, machine)
    if key not in catalogue.scratch:
        known = catalogue.packages.values()
        found = (_library(soname, package, machine or "", catalogue) for package in known)
        by_major = {row.cuda: row for row in sorted(filter(None, found), key=lambda row: row.package)}
        catalogue.scratch[key] = tuple(by_major[major] for major in sorted(by_major))
    rows: tuple[Library, ...] = catalogue.scratch[key]
    return rows


def _library(soname: str, package: Package, machine: str, catalogue: Catalogue) -> Library | None:
    """Return one package as the provider of a library, None if none of its releases carries it."""
    if package.cuda is None:
        return None
    carrying = [release for release in package.releases if soname in _names(release, machine)]
    if not carrying:
        return None
    oldest, newest = carrying[0].version.release[0], carrying[-1].version.release[0]
    folders = carrying[-1].abi[machine].libraries
    return Library(
        name=soname,
        package=package.name,
        cuda=package.cuda,
        range=f">={oldest},<{newest + 1}",
        path=next(folder for folder, names in folders.items() if soname in names),
        folders=frozenset(map(folder_of, _with_needs(package, carrying, machine, catalogue))),
    )


def _names(release: Release, machine: str) -> set[str]:
    abi = release.abi.get(machine)
    return {name for names in abi.libraries.values() for name in names} if abi else set()


def _paths(releases: Iterable[Release], machine: str) -> Iterator[str]:
    for release in releases:
        abi = release.abi.get(machine)
        for folder, names in abi.libraries.items() if abi else ():
            yield from (f"{folder}/{name}" for name in names)


def _with_needs(
    package: Package, releases: list[Release], machine: str, catalogue: Catalogue
) -> Iterator[str]:
    """Yield the paths that releases of a package fill, and those of the libraries that come with it."""
    yield from _paths(releases, machine)
    seen, todo = {package.name}, list(releases)
    while todo:
        for entry in todo.pop().requirements(machine):
            other = catalogue.packages.get(canonical(entry.name))
            if other is not None and other.cuda is not None and other.name not in seen:
                seen.add(other.name)
                todo += other.releases
                yield from _paths(other.releases, machine)


def folder_of(path: str) -> str:
    """Return the folder of a path below site-packages."""
    return path.rpartition("/")[0]


def brought(build: Build, machine: str | None, catalogue: Catalogue) -> frozenset[str] | None:
    """Return the paths that a torch build's libraries fill; None where its CUDA major was not measured."""
    key = ("brought", build.cuda, build.cudnn, machine)
    if key not in catalogue.scratch:
        packages = family(build.cuda[0], catalogue) if build.cuda else []
        found = (path for package in packages for path in _paths(_of_build(package, build), machine or ""))
        catalogue.scratch[key] = frozenset(found) if packages else None
    paths: frozenset[str] | None = catalogue.scratch[key]
    return paths


def filled(build: Build, machine: str | None, catalogue: Catalogue) -> frozenset[str] | None:
    """Return the folders that a torch build's libraries lie in; None where they were not measured."""
    key = ("filled", build.cuda, build.cudnn, machine)
    if key not in catalogue.scratch:
        paths = brought(build, machine, catalogue)
        catalogue.scratch[key] = None if paths is None else frozenset(map(folder_of, paths))
    folders: frozenset[str] | None = catalogue.scratch[key]
    return folders


def _of_build(package: Package, build: Build) -> list[Release]:
    """Return the releases of a package that can be part of a build."""
    return [
        release
        for release in package.releases
        if build.cudnn is None
        or release.version.release[0] == build.cudnn[0]
        or not any(name.startswith(_CUDNN) for machine in release.abi for name in _names(release, machine))
    ]
