"""Rules about the GPU, asked only for device "cuda": device code over all GPUs, PTX, driver floors, torch
builds, sonames.
"""

from __future__ import annotations

from ...whisperx_catalogue.release import Release
from ...whisperx_common.versions import Numbers, dotted
from ..case import Target
from ..findings import Finding, finding
from ..gpu.cuda_libraries import providers
from ..gpu.device_code import code_of
from ..gpu.drivers import branch_for_cuda, cuda_of_isa
from ..gpu.libraries_needed import cuda_major, opened
from ..gpu.names import gpu_words, ways
from ..gpu.profile import GpuProfile
from ..gpu.torch_builds import series_of
from ..host import Gpu

__all__ = [
    "driver_floor",
    "is_cuda",
    "machine_code",
    "no_cuda_build",
    "no_provider",
    "ptx",
    "torch_build",
]


def _computes(release: Release, target: Target) -> bool:
    return target.device == "cuda" and target.catalogue.info(release.package).computes


def no_cuda_build(release: Release, target: Target) -> Finding | None:
    """The wheel for this machine has no device code at all."""
    if not _computes(release, target):
        return None
    machine = target.machine
    abi = release.abi.get(machine)
    if abi is None or abi.has_device_code:
        return None
    if abi.has_device_code is None and target.gates:
        return None
    return finding("gpu.no-cuda-build", f"{machine} wheels without device code", machine=machine)


def _uncovered(release: Release, target: Target) -> tuple[Gpu, Numbers] | None:
    """Return the first GPU that neither machine code nor PTX of the wheel can serve."""
    abi = release.abi.get(target.machine)
    if abi is None or not abi.has_device_code:
        return None
    return target.gpu.uncovered(code_of(abi))


def machine_code(release: Release, target: Target) -> Finding | None:
    """Some GPU of the host is served by neither machine code nor PTX."""
    if not _computes(release, target):
        return None
    missing = _uncovered(release, target)
    if missing is None:
        return None
    gpu, found = missing
    abi = release.abi[target.machine]
    return finding(
        "gpu.machine-code",
        f"{gpu_words(gpu)} ({dotted(found)})",
        capability=dotted(found),
        has=", ".join(abi.sass),
        or_else=_alone(target.gpu),
    )


def ptx(release: Release, target: Target) -> Finding | None:
    """A GPU newer than the wheel's machine code: the driver must be able to compile the wheel's PTX."""
    if not _computes(release, target):
        return None
    abi = release.abi.get(target.machine)
    if abi is None or not abi.has_device_code:
        return None
    compiled = target.gpu.compiled(code_of(abi))
    if not compiled:
        return None
    wanted = cuda_of_isa(abi.ptx_isa, target.catalogue.rows) if abi.ptx_isa else None
    speaks = target.gpu.cuda
    if wanted is None or speaks is None:
        return (
            None
            if target.gates
            else finding("unknown.ptx", "a PTX version or driver level that is not known")
        )
    if speaks >= wanted:
        return None
    branch = branch_for_cuda(wanted, target.catalogue.rows)
    return finding(
        "driver.ptx",
        f"driver {target.gpu.driver_words}",
        variant=_capped(target.gpu, branch),
        branch=str(branch or "?"),
        gpu=gpu_words(compiled[0], article=True),
        newest=abi.sass[-1] if abi.sass else "none",
        isa=dotted(abi.ptx_isa or ()),
        driver=target.gpu.driver_words,
        last=str(target.gpu.last_branch or ""),
    )


def driver_floor(release: Release, target: Target) -> Finding | None:
    """The driver is older than the floor of the CUDA major (minor-version rule)."""
    if not _computes(release, target):
        return None
    major = cuda_major(release, target.machine, target.catalogue)
    if major is None or target.gpu.serves(major) is not False:
        return None
    return _floor_finding(target, major)


def _floor_finding(target: Target, major: int) -> Finding:
    floor = target.catalogue.rows.floors.get(major, ())
    return finding(
        "driver.floor",
        f"driver {target.gpu.driver_words}",
        variant=_capped(target.gpu, floor[0] if floor else None),
        major=str(major),
        floor=dotted(floor),
        branch=str(floor[0] if floor else "?"),
        last=str(target.gpu.last_branch or ""),
    )


def _capped(gpu: GpuProfile, branch: int | None) -> str:
    last = gpu.last_branch
    return "capped" if branch is not None and last is not None and branch > last else ""


def torch_build(release: Release, target: Target) -> Finding | None:
    """No build of this torch release serves all GPUs under this driver."""
    if not target.catalogue.info(release.package).builds:
        return None
    series = series_of(release, target.machine, target.catalogue.rows)
    if series is None:
        if target.gates or not release.fitting(target.machine, target.host.libc_family or "glibc"):
            return None
        return finding("unknown.torch-build", "a torch series without a row of builds")
    if target.device != "cuda" or target.gpu.build(release) is not None:
        return None
    majors = sorted({build.cuda[0] for build in series.builds if build.cuda})
    if majors and all(target.gpu.serves(major) is False for major in majors):
        return _floor_finding(target, majors[0])
    gpus = ways(
        f"{gpu_words(gpu)} ({dotted(found)})"
        for gpu, found in zip(target.gpu.gpus, target.gpu.capabilities, strict=True)
        if found
    )
    builds = ", ".join(build.name for build in series.builds if build.cuda) or "none"
    found = f"{gpus} with driver {target.gpu.driver_words}"
    return finding("torch.no-build", found, builds=builds, or_else=_or_else(release, target.gpu))


def _or_else(release: Release, gpu: GpuProfile) -> str:
    """Return what helps beside the CPU where no build of torch serves all GPUs."""
    best = gpu.best_driver
    if best is not None and gpu.with_driver(best).build(release) is not None:
        return ", or a newer driver"
    return _alone(gpu)


def _alone(gpu: GpuProfile) -> str:
    return ", or GPUs of one kind alone (whisperx_plan_gpus)" if len(set(gpu.capabilities)) > 1 else ""


def no_provider(release: Release, target: Target) -> Finding | None:
    """The package looks up a library that nothing installable brings."""
    if not _computes(release, target):
        return None
    machine = target.machine
    missing = [
        name
        for name in opened(release, machine, target.catalogue)
        if is_cuda(name) and not providers(name, machine, target.catalogue)
    ]
    return finding("soname.no-provider", missing[0], soname=missing[0]) if missing else None


def is_cuda(name: str) -> bool:
    """Say whether a library is one of CUDA's, by its name."""
    return name.startswith(("libcu", "libnv"))
