"""Which CUDA libraries a computing package looks up by name, and of which CUDA major they are."""

from __future__ import annotations

from ...whisperx_catalogue.catalogue import Catalogue
from ...whisperx_catalogue.release import Release
from ..host import Host
from .cuda_libraries import Library, providers

__all__ = ["cuda_major", "opened", "wanted_libraries"]


def opened(release: Release, host: Host, catalogue: Catalogue) -> list[str]:
    """Return the CUDA library names a computing package looks up on this machine, those that do not matter
    left out.
    """
    abi = release.abi.get(host.machine or "")
    if abi is None or not catalogue.info(release.package).computes:
        return []
    rows = catalogue.rows
    return [
        name
        for name in abi.opens + abi.needs
        if name not in rows.ignored and not name.startswith(rows.soname_parts)
    ]


def cuda_major(release: Release, host: Host, catalogue: Catalogue) -> int | None:
    """Return the CUDA major a computing package is made for: the one that has all libraries it looks up."""
    majors = [
        {row.cuda for row in found}
        for name in opened(release, host, catalogue)
        if (found := providers(name, host.machine, catalogue))
    ]
    return max(set.intersection(*majors), default=None) if majors else None


def wanted_libraries(release: Release, host: Host, catalogue: Catalogue) -> list[Library]:
    """Return the libraries a computing package looks up, as the packages of its CUDA major bring them."""
    major = cuda_major(release, host, catalogue)
    return [
        row
        for name in sorted(set(opened(release, host, catalogue)))
        for row in providers(name, host.machine, catalogue)
        if row.cuda == major
    ]
