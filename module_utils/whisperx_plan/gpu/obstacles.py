"""May the GPU be used at all? What stands in its way before any version is looked at, and what a driver has
to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...whisperx_catalogue.catalogue import Catalogue
from ...whisperx_catalogue.release import Release
from ...whisperx_common.versions import dotted
from ..findings import Finding, finding
from ..host import Host
from ..model import Request
from .cuda import (
    Code,
    branch_for_cuda,
    capability,
    cuda_of_isa,
    driver_cuda,
    highest_branch,
    how_it_runs,
    isa_of_cuda,
    lowest_branch,
    meets_floor,
    newest_driver,
)
from .libraries_needed import cuda_major
from .names import gpu_words, ways
from .torch_builds import choose_build

__all__ = [
    "Obstacle",
    "advice",
    "branch_needed",
    "cuda_level",
    "obstacles",
    "with_best_driver",
    "without_reserved",
]

# The module that keeps a GPU for virtual machines.
RESERVED = "vfio-pci"


@dataclass(frozen=True)
class Obstacle:
    """What keeps the GPU from being used. ``transient``: it may be gone tomorrow, so a CPU plan would be a
    mistake.
    """

    subject: str
    finding: Finding
    transient: bool = False


def obstacles(
    host: Host, request: Request, catalogue: Catalogue, needed: int | None = None
) -> list[Obstacle]:
    """Return what stands between the host and a GPU plan; empty where nothing does. A host without GPU has
    one too. ``needed``: the driver branch to advise where there is no driver, if that is known.
    """
    if host.tegra is not None:
        return [Obstacle("Jetson", finding("gpu.tegra", f"L4T {host.tegra}", release=host.tegra))]
    if not host.gpus:
        return [Obstacle("GPU", finding("gpu.none", "no GPU"))]
    names = ways(gpu_words(gpu) for gpu in host.gpus)
    if all(gpu.driver == RESERVED for gpu in host.gpus):
        return [Obstacle(names, finding("gpu.reserved", f"bound to {RESERVED}", gpus=names, module=RESERVED))]
    driver = host.driver
    if driver.state in ("mismatch", "unusable"):
        detail = (driver.detail or "no further detail").rstrip(".")
        return [
            Obstacle(
                "driver",
                finding(f"driver.{driver.state}", driver.detail or driver.state, detail=detail),
                True,
            )
        ]
    if driver.state == "absent":
        return [Obstacle("driver", _absent(host, names, needed, catalogue))]
    idle = [gpu for gpu in host.gpus if gpu.mig_enabled and gpu.mig_instances == 0]
    if idle and len(idle) == len(host.gpus):
        gpus = ways(gpu_words(gpu) for gpu in idle)
        return [Obstacle(gpus, finding("gpu.mig", "MIG on, no instance", gpus=gpus), True)]
    blank = [gpu for gpu in host.gpus if capability(gpu, catalogue) is None]
    if blank and request.unknown == "refuse":
        gpus = ways(gpu_words(gpu) for gpu in blank)
        return [Obstacle(gpus, finding("gpu.unknown-capability", "unknown compute capability", gpus=gpus))]
    return []


def _absent(host: Host, names: str, needed: int | None, catalogue: Catalogue) -> Finding:
    floor = min((row[0] for row in catalogue.rows.floors.values()), default=0)
    branch = needed or max(lowest_branch(host.gpus, catalogue) or 0, floor)
    last = highest_branch(host.gpus, catalogue)
    bound = sorted({gpu.driver for gpu in host.gpus if gpu.driver})
    blocker = f" (bound to {ways(bound)})" if bound and bound != ["nvidia"] else ""
    return finding(
        "driver.absent",
        "no driver",
        gpus=names,
        blocker=blocker,
        branch=str(branch),
        or_last=f" to {last}" if last is not None else " or newer",
    )


def without_reserved(host: Host) -> Host:
    """Return the host with the GPUs it can use itself; if there is none, with those it has."""
    free = tuple(gpu for gpu in host.gpus if gpu.driver != RESERVED)
    return replace(host, gpus=free) if free else host


def with_best_driver(host: Host, catalogue: Catalogue) -> Host | None:
    """Return the host as it would be with the best driver its GPUs can get, None if there is none."""
    best = newest_driver(host.gpus, catalogue)
    reserved = all(gpu.driver == RESERVED for gpu in host.gpus)
    if best is None or reserved or host.tegra is not None:
        return None
    return replace(host, driver=best, gpus=tuple(replace(gpu, driver="nvidia") for gpu in host.gpus))


def branch_needed(host: Host, pins: Mapping[str, Release], catalogue: Catalogue) -> int | None:
    """Return the first driver branch under which a set runs on the host's GPUs. ``host``: with a driver it
    runs under.
    """
    branches = [lowest_branch(host.gpus, catalogue)]
    for name, release in pins.items():
        info = catalogue.info(name)
        if info.builds:
            build = choose_build(release, host, "cuda", catalogue)
            if build is not None and build.cuda is not None:
                code = Code(build.sass, build.ptx, isa_of_cuda(build.cuda, catalogue))
                branches.append(_branch(host, code, build.cuda[0], catalogue))
        elif info.computes:
            abi = release.abi.get(host.machine or "")
            if abi is not None:
                code = Code(abi.sass, abi.ptx, abi.ptx_isa)
                branches.append(_branch(host, code, cuda_major(release, host, catalogue), catalogue))
    return max((branch for branch in branches if branch is not None), default=None)


def _branch(host: Host, code: Code, major: int | None, catalogue: Catalogue) -> int | None:
    floor = catalogue.rows.floors.get(major) if major is not None else None
    found = floor[0] if floor else None
    compiled = any(how_it_runs(code, capability(gpu, catalogue)) == "ptx" for gpu in host.gpus)
    if compiled and code.isa is not None:
        cuda = cuda_of_isa(code.isa, catalogue)
        branch = branch_for_cuda(cuda, catalogue) if cuda else None
        return max((entry for entry in (found, branch) if entry is not None), default=None)
    return found


def advice(host: Host, needed: int | None, catalogue: Catalogue) -> dict[str, str | None]:
    """Return the lowest and the highest driver branch for this host; null where there is no bound."""
    last = highest_branch(host.gpus, catalogue)
    return {
        "minimum": str(needed) if needed is not None else None,
        "maximum": str(last) if last is not None else None,
    }


def cuda_level(host: Host, pins: Mapping[str, Release], catalogue: Catalogue) -> list[str]:
    """Return what of the driver the answer depends on: the CUDA majors it serves, and how much PTX it can
    compile.

    The second only where some release of a computing package of the set would be compiled on a GPU of the
    host.
    """
    majors = [
        str(major) for major in sorted(catalogue.rows.floors) if meets_floor(host.driver, major, catalogue)
    ]
    compiles = any(
        how_it_runs(Code(abi.sass, abi.ptx, abi.ptx_isa), capability(gpu, catalogue)) == "ptx"
        for name in pins
        if catalogue.info(name).computes
        for release in catalogue.packages[name].releases
        for abi in [release.abi.get(host.machine or "")]
        if abi is not None
        for gpu in host.gpus
    )
    speaks = driver_cuda(host.driver, catalogue)
    isa = isa_of_cuda(speaks, catalogue) if compiles and speaks else None
    return [",".join(majors), dotted(isa) if isa else ""]
