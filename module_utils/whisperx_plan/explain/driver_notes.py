"""Notes on the driver and the CPU of a plan, each with the id of its rule: by which rule a driver serves,
whether an official CUDA image would take it too, and where a newer libcuda may stand on an older driver.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...whisperx_catalogue.catalogue import Catalogue
from ...whisperx_catalogue.release import Release, specifier
from ...whisperx_common.versions import Numbers, dotted
from ..findings import Finding, finding
from ..gpu.drivers import branch_for_cuda, cuda_of_isa, forward_support, kernel_cuda
from ..gpu.libraries_needed import cuda_major
from ..gpu.names import gpu_words, ways
from ..gpu.profile import GpuProfile
from ..host import Host
from .sentences import reason

__all__ = [
    "container_gate",
    "driver_rule",
    "exclusive",
    "forward_in_use",
    "forward_instead",
    "marked",
    "missing_avx",
    "noted_flags",
    "of_windows",
    "toolkits_of",
]


def marked(said: Finding, subject: str, catalogue: Catalogue) -> str:
    """Return a finding as a note: sentence, next step, and the id of the rule in brackets."""
    return f"{reason(said, subject, catalogue).sentence} [{said.rule}]"


def toolkits_of(
    gpu: GpuProfile, pins: Mapping[str, Release], catalogue: Catalogue
) -> Iterator[tuple[str, Numbers]]:
    """Yield what of a set was made with which CUDA: the build of torch, and what computes by itself."""
    for name, pin in pins.items():
        info = catalogue.info(name)
        if info.builds:
            build = gpu.build(pin)
            if build is not None and build.cuda is not None:
                yield f"{pin.subject} ({build.name})", build.cuda[:2]
        elif info.computes and (abi := pin.abi.get(gpu.machine or "")) is not None:
            made = cuda_of_isa(abi.ptx_isa, gpu.rows) if abi.ptx_isa else None
            major = cuda_major(pin, gpu.machine, catalogue)
            # PTX of a newer major than the libraries' says nothing about the toolkit.
            if made is not None and made[0] == major:
                yield pin.subject, made


def driver_rule(gpu: GpuProfile, cuda: Numbers) -> Finding | None:
    """Say by which of NVIDIA's rules the driver serves what was made with ``cuda``; None if unknown."""
    speaks = gpu.cuda
    if speaks is None:
        return None
    words = {"speaks": dotted(speaks), "cuda": dotted(cuda), "major": str(cuda[0])}
    if speaks[:2] >= cuda[:2]:
        return finding("driver.backward", f"CUDA {dotted(speaks)}", **words)
    floor = gpu.rows.floors.get(cuda[0])
    if speaks[0] != cuda[0] or floor is None or not gpu.serves(cuda[0]):
        return None
    return finding("driver.minor-version", f"CUDA {dotted(speaks)}", floor=dotted(floor), **words)


def container_gate(gpu: GpuProfile, cuda: Numbers) -> Finding | None:
    """Say where the official image of a toolkit would refuse a driver under which the environment runs."""
    speaks = gpu.cuda
    if speaks is None or speaks[:2] >= cuda[:2]:
        return None
    branch = branch_for_cuda(cuda, gpu.rows)
    words = {"speaks": dotted(speaks), "cuda": dotted(cuda), "branch": str(branch or "of that CUDA")}
    return finding("container.require-cuda", f"CUDA {dotted(speaks)}", **words)


def forward_in_use(gpu: GpuProfile) -> Finding | None:
    """Say where libcuda is of a newer CUDA than the driver's branch, as with forward compatibility."""
    driver = gpu.driver
    own = kernel_cuda(driver, gpu.rows)
    if own is None or driver.cuda is None or driver.cuda[:2] <= own[:2]:
        return None
    seen = (
        f"libcuda supports CUDA {dotted(driver.cuda)} on a kernel driver of CUDA {dotted(own)} "
        f"({driver.text}): a forward-compatibility package is in use"
    )
    never = [one for one in gpu.gpus if forward_support(one.name, gpu.rows) is False]
    if never:
        names = ways(gpu_words(one) for one in never)
        return finding(
            "driver.forward",
            f"{seen}, which NVIDIA does not support on GeForce GPUs ({names}): CUDA ends with error 804",
            step="Take cuda-compat off the loader path, or remove it" + _alone(gpu),
        )
    return finding(
        "driver.forward",
        seen,
        step="Keep it on the loader path of the commands; without it the driver is too old.",
    )


def exclusive(gpu: GpuProfile) -> Finding | None:
    """Say which GPUs take one process at a time."""
    found = [one for one in gpu.gpus if one.compute_mode in ("exclusive-process", "exclusive-thread")]
    if not found:
        return None
    names = ways(gpu_words(one) for one in found)
    return finding("gpu.exclusive", str(found[0].compute_mode), gpus=names)


def _alone(gpu: GpuProfile) -> str:
    """Say, for a plan that was made without cuda-compat, that the driver alone is enough."""
    if gpu.cuda is None or gpu.cuda != kernel_cuda(gpu.driver, gpu.rows):
        return "."
    return f"; driver {gpu.driver.text} alone is enough for this plan."


def forward_instead(gpu: GpuProfile, remedies: list[dict[str, Any]], catalogue: Catalogue) -> Finding | None:
    """Name cuda-compat where a newer driver is advised and all GPUs are ones that NVIDIA supports it for."""
    wanted = next((entry["branch"] for entry in remedies if "branch" in entry), None)
    if wanted is None or gpu.driver.state != "running":
        return None
    if not all(forward_support(one.name, catalogue.rows) for one in gpu.gpus):
        return None
    cuda = dict(gpu.rows.branches).get(int(wanted))
    if cuda is None:
        return None
    gpus = ways(gpu_words(one, article=True) for one in gpu.gpus)
    return finding(
        "driver.forward",
        f"Instead of the driver, {gpus} can take a newer libcuda where NVIDIA supports it",
        step=f"It is in the package cuda-compat-{cuda[0]}-{cuda[1]}; then probe the host again.",
    )


def of_windows(host: Host, remedies: list[dict[str, Any]], wanted: bool) -> Finding | None:
    """Say under WSL2 that the driver is Windows's, where one is advised or a GPU that is ``wanted`` is not
    seen.
    """
    if not host.wsl:
        return None
    if any("branch" in entry for entry in remedies):
        return finding("driver.wsl", "the branch to install is that of Windows's driver")
    if wanted and not host.gpus:
        return finding("driver.wsl", "without it no GPU is seen here")
    return None


def missing_avx(host: Host, pins: Mapping[str, Release], catalogue: Catalogue) -> tuple[str, Finding] | None:
    """Say, with its subject, where a pinned release's oneMKL wants a flag that the CPU is known to lack."""
    flag = str(catalogue.threshold("cpu.no-avx", "flag"))
    pin = pins.get(str(catalogue.threshold("cpu.no-avx", "package")))
    if pin is None or host.machine != catalogue.threshold("cpu.no-avx", "machine"):
        return None
    if host.cpu_flags is None or flag in host.cpu_flags:
        return None
    wanted = specifier(str(catalogue.threshold("cpu.no-avx", "versions")))
    if not wanted.contains(pin.version, prereleases=True):
        return None
    return pin.subject, finding("cpu.no-avx", f"a CPU without {flag}", flag=flag)


def noted_flags(catalogue: Catalogue) -> frozenset[str]:
    """Return the CPU flags that notes look at."""
    return frozenset({str(catalogue.threshold("cpu.no-avx", "flag"))})
