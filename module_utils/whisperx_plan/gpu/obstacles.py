"""May the GPU be used at all? What stands in its way before any version is looked at."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..findings import Finding, finding
from ..host import Host
from .names import gpu_words, ways
from .profile import GpuProfile

__all__ = ["Obstacle", "obstacles", "only_reserved", "without_reserved"]

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


def obstacles(host: Host, gpu: GpuProfile, unknown: str, needed: int | None = None) -> list[Obstacle]:
    """Return what stands between the host and a GPU plan; empty where nothing does. A host without GPU has
    one too.

    ``unknown``: "refuse" a GPU of unknown capability, or "gate". ``needed``: the driver branch to advise
    where there is no driver, if that is known.
    """
    if host.tegra is not None:
        return [Obstacle("Jetson", finding("gpu.tegra", f"L4T {host.tegra}", release=host.tegra))]
    if not host.gpus:
        return [Obstacle("GPU", finding("gpu.none", "no GPU"))]
    names = ways(gpu_words(one) for one in host.gpus)
    if only_reserved(host):
        return [Obstacle(names, finding("gpu.reserved", f"bound to {RESERVED}", gpus=names, module=RESERVED))]
    driver = host.driver
    if driver.state in ("mismatch", "unusable"):
        detail = (driver.detail or "no further detail").rstrip(".")
        broken = finding(f"driver.{driver.state}", driver.detail or driver.state, detail=detail)
        return [Obstacle("driver", broken, True)]
    if driver.state == "absent":
        return [Obstacle("driver", _absent(gpu, names, needed))]
    idle = [one for one in host.gpus if one.mig_enabled and one.mig_instances == 0]
    if idle and len(idle) == len(host.gpus):
        gpus = ways(gpu_words(one) for one in idle)
        return [Obstacle(gpus, finding("gpu.mig", "MIG on, no instance", gpus=gpus), True)]
    pairs = zip(gpu.gpus, gpu.capabilities, strict=True)
    blank = [one for one, capability in pairs if capability is None]
    if blank and unknown == "refuse":
        gpus = ways(gpu_words(one) for one in blank)
        return [Obstacle(gpus, finding("gpu.unknown-capability", "unknown compute capability", gpus=gpus))]
    return []


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


def only_reserved(host: Host) -> bool:
    """Say whether all GPUs of the host are kept for virtual machines."""
    return all(one.driver == RESERVED for one in host.gpus)


def without_reserved(host: Host) -> Host:
    """Return the host with the GPUs it can use itself; if there is none, with those it has."""
    free = tuple(one for one in host.gpus if one.driver != RESERVED)
    return replace(host, gpus=free) if free else host
