"""Which driver a host's GPUs could have, and which one a set of versions needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ...whisperx_catalogue.catalogue import Catalogue
from ...whisperx_catalogue.release import Release
from ...whisperx_common.versions import dotted
from ..host import Host
from .device_code import Code, code_of
from .drivers import branch_for_cuda, cuda_of_isa, isa_of_cuda
from .libraries_needed import cuda_major
from .profile import GpuProfile
from .service import only_reserved

__all__ = ["advice", "branch_needed", "cuda_level", "with_best_driver"]


def with_best_driver(host: Host, gpu: GpuProfile) -> Host | None:
    """Return the host as it would be with the best driver its GPUs can get, None if there is none."""
    best = gpu.best_driver
    if best is None or only_reserved(host) or host.tegra is not None:
        return None
    return replace(host, driver=best, gpus=tuple(replace(one, driver="nvidia") for one in host.gpus))


def branch_needed(gpu: GpuProfile, pins: Mapping[str, Release], catalogue: Catalogue) -> int | None:
    """Return the first driver branch under which a set runs. ``gpu``: with a driver that serves it."""
    branches = [gpu.first_branch]
    for name, release in pins.items():
        info = catalogue.info(name)
        if info.builds:
            build = gpu.build(release)
            if build is not None and build.cuda is not None:
                code = Code(build.sass, build.ptx, isa_of_cuda(build.cuda, gpu.rows))
                branches.append(_branch(gpu, code, build.cuda[0]))
        elif info.computes:
            abi = release.abi.get(gpu.machine or "")
            if abi is not None:
                branches.append(_branch(gpu, code_of(abi), cuda_major(release, gpu.machine, catalogue)))
    return max((branch for branch in branches if branch is not None), default=None)


def _branch(gpu: GpuProfile, code: Code, major: int | None) -> int | None:
    floor = gpu.rows.floors.get(major) if major is not None else None
    lowest = floor[0] if floor else None
    if gpu.compiled(code) and code.isa is not None:
        cuda = cuda_of_isa(code.isa, gpu.rows)
        branch = branch_for_cuda(cuda, gpu.rows) if cuda else None
        return max((entry for entry in (lowest, branch) if entry is not None), default=None)
    return lowest


def advice(gpu: GpuProfile, needed: int | None) -> dict[str, str | None]:
    """Return the lowest and the highest driver branch to advise; null where there is no bound."""
    return {
        "minimum": str(needed) if needed is not None else None,
        "maximum": str(gpu.last_branch) if gpu.last_branch is not None else None,
    }


def cuda_level(gpu: GpuProfile, pins: Mapping[str, Release], catalogue: Catalogue) -> list[str]:
    """Return what of the driver the answer depends on: the CUDA majors it serves, and how much PTX it can
    compile.

    The second only where some release of a computing package of the set would be compiled on a GPU of the
    host.
    """
    majors = [str(major) for major in sorted(gpu.rows.floors) if gpu.serves(major)]
    compiles = any(
        gpu.compiled(code_of(release.abi[gpu.machine or ""]))
        for name in pins
        if catalogue.info(name).computes
        for release in catalogue.packages[name].releases
        if (gpu.machine or "") in release.abi
    )
    return [",".join(majors), dotted(gpu.isa) if compiles and gpu.isa else ""]
