"""Rules about the GPU, asked only for device "cuda": device code over all GPUs, PTX, driver floors, torch
builds, sonames.
"""

from __future__ import annotations

from ...whisperx_catalogue.catalogue import Catalogue
from ...whisperx_catalogue.release import Release
from ...whisperx_common.versions import Numbers, dotted
from ..findings import Finding, Target, finding
from ..gpu.cuda import (
    Code,
    branch_for_cuda,
    capability,
    cuda_of_isa,
    driver_cuda,
    highest_branch,
    how_it_runs,
    meets_floor,
)
from ..gpu.cuda_libraries import providers
from ..gpu.libraries_needed import cuda_major, opened
from ..gpu.names import gpu_words, ways
from ..gpu.torch_builds import choose_build, series_of
from ..host import Gpu, Host

__all__ = [
    "driver_floor",
    "machine_code",
    "no_cuda_build",
    "no_provider",
    "ptx",
    "torch_build",
]


def _computes(release: Release, target: Target, catalogue: Catalogue) -> bool:
    return target.device == "cuda" and catalogue.info(release.package).computes


def no_cuda_build(release: Release, target: Target, catalogue: Catalogue) -> Finding | None:
    """The wheel for this machine has no device code at all."""
    if not _computes(release, target, catalogue):
        return None
    machine = target.host.machine or ""
    abi = release.abi.get(machine)
    if abi is None or abi.has_device_code:
        return None
    if abi.has_device_code is None and target.gates:
        return None
    return finding("gpu.no-cuda-build", f"{machine} wheels without device code", machine=machine)


def _uncovered(release: Release, target: Target, catalogue: Catalogue) -> tuple[Gpu, Numbers] | None:
    """Return the first GPU that neither machine code nor PTX of the wheel can serve."""
    abi = release.abi.get(target.host.machine or "")
    if abi is None or not abi.has_device_code:
        return None
    code = Code(abi.sass, abi.ptx, abi.ptx_isa)
    for gpu in target.host.gpus:
        found = capability(gpu, catalogue)
        if found is not None and how_it_runs(code, found) is None:
            return gpu, found
    return None


def machine_code(release: Release, target: Target, catalogue: Catalogue) -> Finding | None:
    """Some GPU of the host is served by neither machine code nor PTX."""
    if not _computes(release, target, catalogue):
        return None
    missing = _uncovered(release, target, catalogue)
    if missing is None:
        return None
    gpu, found = missing
    abi = release.abi[target.host.machine or ""]
    return finding(
        "gpu.machine-code",
        f"{gpu_words(gpu)} ({dotted(found)})",
        capability=dotted(found),
        has=", ".join(abi.sass),
    )


def ptx(release: Release, target: Target, catalogue: Catalogue) -> Finding | None:
    """A GPU newer than the wheel's machine code: the driver must be able to compile the wheel's PTX."""
    if not _computes(release, target, catalogue):
        return None
    abi = release.abi.get(target.host.machine or "")
    if abi is None or not abi.has_device_code:
        return None
    code = Code(abi.sass, abi.ptx, abi.ptx_isa)
    compiled = [gpu for gpu in target.host.gpus if how_it_runs(code, capability(gpu, catalogue)) == "ptx"]
    if not compiled:
        return None
    wanted = cuda_of_isa(abi.ptx_isa, catalogue) if abi.ptx_isa else None
    speaks = driver_cuda(target.host.driver, catalogue)
    if wanted is None or speaks is None:
        return (
            None
            if target.gates
            else finding("unknown.ptx", "a PTX version or driver level that is not known")
        )
    if speaks >= wanted:
        return None
    branch = branch_for_cuda(wanted, catalogue)
    return finding(
        "driver.ptx",
        f"driver {_driver(target.host)}",
        variant=_capped(target.host, branch, catalogue),
        branch=str(branch or "?"),
        gpu=gpu_words(compiled[0], article=True),
        newest=abi.sass[-1] if abi.sass else "none",
        isa=dotted(abi.ptx_isa or ()),
        driver=_driver(target.host),
        last=str(highest_branch(target.host.gpus, catalogue) or ""),
    )


def driver_floor(release: Release, target: Target, catalogue: Catalogue) -> Finding | None:
    """The driver is older than the floor of the CUDA major (minor-version rule)."""
    if not _computes(release, target, catalogue):
        return None
    major = cuda_major(release, target.host, catalogue)
    if major is None or meets_floor(target.host.driver, major, catalogue) is not False:
        return None
    return _floor_finding(target, major, catalogue)


def _floor_finding(target: Target, major: int, catalogue: Catalogue) -> Finding:
    floor = catalogue.rows.floors.get(major, ())
    return finding(
        "driver.floor",
        f"driver {_driver(target.host)}",
        variant=_capped(target.host, floor[0] if floor else None, catalogue),
        major=str(major),
        floor=dotted(floor),
        branch=str(floor[0] if floor else "?"),
        last=str(highest_branch(target.host.gpus, catalogue) or ""),
    )


def _capped(host: Host, branch: int | None, catalogue: Catalogue) -> str:
    last = highest_branch(host.gpus, catalogue)
    return "capped" if branch is not None and last is not None and branch > last else ""


def _driver(host: Host) -> str:
    return host.driver.text or (
        f"of CUDA {dotted(host.driver.cuda)}" if host.driver.cuda else "of unknown version"
    )


def torch_build(release: Release, target: Target, catalogue: Catalogue) -> Finding | None:
    """No build of this torch release serves all GPUs under this driver."""
    if not catalogue.info(release.package).builds:
        return None
    series = series_of(release, target.host.machine, catalogue)
    if series is None:
        if target.gates or not release.fitting(target.host.machine or "", target.host.libc_family or "glibc"):
            return None
        return finding("unknown.torch-build", "a torch series without a row of builds")
    if target.device != "cuda" or choose_build(release, target.host, "cuda", catalogue) is not None:
        return None
    majors = sorted({build.cuda[0] for build in series.builds if build.cuda})
    if majors and all(meets_floor(target.host.driver, major, catalogue) is False for major in majors):
        return _floor_finding(target, majors[0], catalogue)
    gpus = ways(
        f"{gpu_words(gpu)} ({dotted(found)})"
        for gpu in target.host.gpus
        if (found := capability(gpu, catalogue))
    )
    builds = ", ".join(build.name for build in series.builds if build.cuda) or "none"
    return finding("torch.no-build", f"{gpus} with driver {_driver(target.host)}", builds=builds)


def no_provider(release: Release, target: Target, catalogue: Catalogue) -> Finding | None:
    """The package looks up a library that nothing installable brings."""
    if not _computes(release, target, catalogue):
        return None
    machine = target.host.machine
    missing = [
        name
        for name in opened(release, target.host, catalogue)
        if _is_cuda(name) and not providers(name, machine, catalogue)
    ]
    return finding("soname.no-provider", missing[0], soname=missing[0]) if missing else None


def _is_cuda(name: str) -> bool:
    return name.startswith(("libcu", "libnv"))
