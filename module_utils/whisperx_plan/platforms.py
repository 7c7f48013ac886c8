"""How a host is named to the resolver, and what its distribution offers."""

from __future__ import annotations

from ..whisperx_catalogue.catalogue import Catalogue
from ..whisperx_catalogue.rows import Distro
from ..whisperx_common.versions import Numbers
from .host import Host

__all__ = ["distro_of", "glibc_level", "platform_of"]


def platform_of(host: Host, catalogue: Catalogue) -> tuple[str, Numbers] | None:
    """Return the resolver's platform name and its libc level: the newest that the host still meets."""
    fitting = [
        (minimum, platform)
        for machine, family, minimum, platform in catalogue.rows.platforms
        if (machine, family) == (host.machine, host.libc_family)
        and host.libc_version is not None
        and minimum <= host.libc_version
    ]
    if not fitting:
        return None
    minimum, platform = max(fitting)
    return platform, minimum


def glibc_level(host: Host, catalogue: Catalogue) -> Numbers | None:
    """Return the glibc up to which wheels are taken: the platform's level, or the host's own above all
    levels.
    """
    named = platform_of(host, catalogue)
    levels = [
        minimum
        for machine, family, minimum, _source in catalogue.rows.platforms
        if (machine, family) == (host.machine, "glibc")
    ]
    if named is None or not levels or host.libc_version is None:
        return host.libc_version
    return host.libc_version if named[1] == max(levels) else named[1]


def distro_of(host: Host, catalogue: Catalogue) -> Distro | None:
    """Return the row of the host's distribution: the longest version that leads its own, or its code name."""
    rows = [row for row in catalogue.rows.distros if row.id == host.os_id]
    version = host.os_version or ""
    fitting = [
        row
        for row in rows
        if not row.version
        or version == row.version
        or version.startswith(row.version + ".")
        or (row.codename is not None and row.codename in (host.os_codename, version))
    ]
    return max(fitting, key=lambda row: len(row.version), default=None)
