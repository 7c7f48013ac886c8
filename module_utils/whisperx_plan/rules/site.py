"""Rules about a site's own wheels, and about the index's on boards that those are built for."""

from __future__ import annotations

from ...whisperx_catalogue.release import Release
from ..case import Target
from ..findings import Finding, finding
from .gpu import is_cuda
from .libc import floor_of

__all__ = ["linked", "tegra", "unused_code"]


def tegra(release: Release, target: Target) -> Finding | None:
    """The index's wheels are not made for a Jetson's GPU."""
    board, info = target.host.tegra, target.catalogue.info(release.package)
    if board is None or target.device != "cuda" or release.site or not (info.computes or info.builds):
        return None
    return finding("gpu.tegra", f"L4T {board}", release=board, package=release.package)


def linked(release: Release, target: Target) -> Finding | None:
    """A wheel that is linked with CUDA's libraries does not load where nothing brings them."""
    abi = release.abi.get(target.machine)
    if not release.site or target.device == "cuda" or abi is None:
        return None
    names = [name for name in abi.needs if is_cuda(name)]
    return finding("wheel.linked", names[0], soname=names[0]) if names else None


def unused_code(release: Release, target: Target) -> Finding | None:
    """A wheel that adds device code to the index's has no advantage on a CPU.

    Where the index's has device code too, the user's is another build of the same, and the newer one; but
    what comes in several builds has one for CPUs.
    """
    builds = target.catalogue.info(release.package).builds
    abi = release.abi.get(target.machine)
    if not release.site or target.device == "cuda" or abi is None or not abi.has_device_code:
        return None
    for other in target.catalogue.packages[release.package].releases:
        if other.version.public != release.version.public or other.site or not _fits(other, target):
            continue
        index = other.abi.get(target.machine)
        if builds or (index is not None and not index.has_device_code):
            return finding(
                "wheel.unused-code", "the CPU", other=other.text, code=", ".join(abi.sass or abi.ptx)
            )
    return None


def _fits(release: Release, target: Target) -> bool:
    """Say whether a release has a wheel for a target."""
    host, level = target.host, target.case.glibc_level
    if release.yanked is not None:
        return False
    return any(
        wheel.fits_python(target.python.minor)
        and (
            host.libc_family != "glibc" or level is None or floor_of(wheel, release, target.machine) <= level
        )
        for wheel in release.fitting(target.machine, host.libc_family or "glibc")
    )
