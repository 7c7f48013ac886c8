"""May the GPU be used at all? What stands in its way before any version is looked at."""

from __future__ import annotations

from dataclasses import dataclass

from ..findings import Finding, finding
from ..host import Gpu, Host
from .names import gpu_words, ways
from .profile import GpuProfile
from .service import RESERVED, only_reserved, unserved, unserved_findings

__all__ = ["Obstacle", "obstacles"]


@dataclass(frozen=True)
class Obstacle:
    """What keeps the GPU from being used. ``transient``: it may be gone tomorrow, so a CPU plan would be a
    mistake.
    """

    subject: str
    finding: Finding
    transient: bool = False


def obstacles(
    host: Host, gpu: GpuProfile, unknown: str, needed: int | None = None, made: bool = False
) -> list[Obstacle]:
    """Return what stands between the host and a GPU plan; empty where nothing does. A host without GPU has
    one too.

    ``unknown``: "refuse" a GPU of unknown capability, or "gate". ``needed``: the driver branch to advise
    where there is no driver that serves the GPUs, if that is known. ``made``: there are wheels of the user's
    own for a Jetson, so that each release is looked at.
    """
    if host.tegra is not None and not made:
        computing = ways(sorted(name for name, info in gpu.rows.packages.items() if info.computes))
        words = {"release": host.tegra, "package": computing}
        return [Obstacle("Jetson", finding("gpu.tegra", f"L4T {host.tegra}", **words))]
    if not host.gpus:
        return [_none(host)]
    names = ways(gpu_words(one) for one in host.gpus)
    if only_reserved(host):
        return [Obstacle(names, finding("gpu.reserved", f"bound to {RESERVED}", gpus=names, module=RESERVED))]
    ignored = unserved(host, gpu.rows)
    if ignored and len(ignored) == len(host.gpus):
        return [Obstacle(*said) for said in unserved_findings(ignored, host, gpu.rows, needed)]
    driver = host.driver
    if driver.state in ("mismatch", "unusable"):
        detail = (driver.detail or "no further detail").rstrip(".")
        broken = finding(f"driver.{driver.state}", driver.detail or driver.state, detail=detail)
        return [Obstacle("driver", broken, True)]
    if driver.state == "absent":
        return [Obstacle("driver", _absent(gpu, names, needed))]
    closed = _closed(host)
    if closed is not None:
        return [closed]
    pairs = zip(gpu.gpus, gpu.capabilities, strict=True)
    blank = [one for one, capability in pairs if capability is None]
    if blank and unknown == "refuse":
        gpus = ways(gpu_words(one) for one in blank)
        return [Obstacle(gpus, finding("gpu.unknown-capability", "unknown compute capability", gpus=gpus))]
    return []


def _none(host: Host) -> Obstacle:
    """Say that there is no GPU of NVIDIA's; of another vendor's, what is there for it."""
    if not host.other_gpus:
        return Obstacle("GPU", finding("gpu.none", "no GPU"))
    gpus = ways(host.other_gpus)
    return Obstacle(gpus, finding("gpu.vendor", gpus, gpus=gpus))


def _closed(host: Host) -> Obstacle | None:
    """Return what keeps CUDA from every GPU that the driver shows; None where one is left."""
    kinds: tuple[tuple[str, str, list[Gpu]], ...] = (
        ("gpu.mig", "MIG on, no instance", [one for one in host.gpus if _without_instance(one)]),
        ("gpu.prohibited", "compute mode prohibited", [one for one in host.gpus if _prohibited(one)]),
        ("gpu.licence", "a vGPU without a licence", [one for one in host.gpus if one.licensed is False]),
    )
    if {one for _kind, _said, found in kinds for one in found} != set(host.gpus):
        return None
    rule, words, found = next(kind for kind in kinds if kind[2])
    gpus = ways(gpu_words(one) for one in found)
    return Obstacle(gpus, finding(rule, words, gpus=gpus), True)


def _without_instance(gpu: Gpu) -> bool:
    return gpu.mig_enabled and gpu.mig_instances == 0


def _prohibited(gpu: Gpu) -> bool:
    return gpu.compute_mode == "prohibited"


def _absent(gpu: GpuProfile, names: str, needed: int | None) -> Finding:
    floor = min((row[0] for row in gpu.rows.floors.values()), default=0)
    branch = needed or max(gpu.first_branch or 0, floor)
    bound = sorted({one.driver for one in gpu.gpus if one.driver})
    blocker = f" (bound to {ways(bound)})" if bound and bound != ["nvidia"] else ""
    return finding(
        "driver.absent",
        "no driver",
        gpus=names,
        blocker=blocker,
        branch=str(branch),
        or_last=f" to {gpu.last_branch}" if gpu.last_branch is not None else " or newer",
    )
