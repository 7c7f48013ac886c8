"""Which CUDA libraries a computing package looks up by name, and of which CUDA major they are."""

from __future__ import annotations

from ...whisperx_catalogue.catalogue import Catalogue
from ...whisperx_catalogue.release import Release
from .cuda_libraries import Library, providers

__all__ = ["cuda_major", "opened", "wanted_libraries"]


def opened(release: Release, machine: str | None, catalogue: Catalogue) -> list[str]:
    """Return the CUDA library names a computing package looks up on this machine, those that do not matter
    left out.
    """
    abi = release.abi.get(machine or "")
    if abi is None or not catalogue.info(release.package).computes:
        return []
    rows = catalogue.rows
    return [
        name
        for name in abi.opens + abi.needs
        if name not in rows.ignored and not name.startswith(rows.soname_parts)
    ]


def cuda_major(release: Release, machine: str | None, catalogue: Catalogue) -> int | None:
    """Return the CUDA major a computing package is made for: the one that has all libraries it looks up."""
    majors = [
        {row.cuda for row in found}
        for name in opened(release, machine, catalogue)
        if (found := providers(name, machine, catalogue))
    ]
    return max(set.intersection(*majors), default=None) if majors else None


def wanted_libraries(release: Release, machine: str | None, catalogue: Catalogue) -> list[Library]:
    """Return the libraries a computing package looks up, as the packages of its CUDA major bring them."""
    major = cuda_major(release, machine, catalogue)
    return [
        row
        for name in sorted(set(opened(release, machine, catalogue)))
        for row in providers(name, machine, catalogue)
        if row.cuda == major
    ]
