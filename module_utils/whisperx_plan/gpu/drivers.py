"""What NVIDIA's tables say of drivers, CUDA and PTX. Each function looks up rows and knows no host."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...whisperx_catalogue.rows import Generation, Rows
from ...whisperx_common.versions import Numbers
from ..host import Driver, Gpu

__all__ = [
    "branch_for_cuda",
    "capability_of",
    "cuda_of_driver",
    "cuda_of_isa",
    "forward_support",
    "generations_of",
    "isa_of_cuda",
    "kernel_cuda",
    "meets_floor",
    "newest_driver",
]


def capability_of(gpu: Gpu, rows: Rows) -> Numbers | None:
    """Return the compute capability: as probed, else what the PCI device id says, else None."""
    if gpu.capability is not None:
        return gpu.capability
    parts = (gpu.pci_id or "").lower().split(":")
    if len(parts) != 2 or parts[0] != "10de":
        return None
    try:
        device = int(parts[1], 16)
    except ValueError:
        return None
    return next((capability for first, last, capability in rows.devices if first <= device <= last), None)


def generations_of(capabilities: Iterable[Numbers | None], rows: Rows) -> list[Generation]:
    """Return the generation of each GPU whose capability is known and has one."""
    found = []
    for capability in capabilities:
        if capability is not None:
            matching = (row for row in rows.generations if row.first <= capability <= row.last)
            found += [row for row in [next(matching, None)] if row is not None]
    return found


def cuda_of_driver(driver: Driver, rows: Rows) -> Numbers | None:
    """Return the newest CUDA the driver speaks: as probed, else by its branch."""
    if driver.cuda is not None:
        return driver.cuda
    if driver.version is None:
        return None
    fitting = [cuda for branch, cuda in rows.branches if branch <= driver.version[0]]
    return fitting[-1] if fitting else None


def kernel_cuda(driver: Driver, rows: Rows) -> Numbers | None:
    """Return the CUDA of the kernel driver's branch, whatever libcuda lies on the loader's path."""
    return dict(rows.branches).get(driver.version[0]) if driver.version else None


def forward_support(name: str, rows: Rows) -> bool | None:
    """Say whether NVIDIA supports a libcuda newer than the kernel driver for a GPU; None where not known."""
    words = set(re.split(r"[^A-Za-z0-9]+", name))
    thresholds = rows.rules["driver.forward"].thresholds
    if words & set(thresholds["names"]):
        return True
    return False if words & set(thresholds["never"]) else None


def meets_floor(driver: Driver, major: int, rows: Rows) -> bool | None:
    """Say whether machine code of a CUDA major runs: natively, or by the minor-version rule. None if
    nothing is known.
    """
    cuda = cuda_of_driver(driver, rows)
    if cuda is not None and cuda[0] > major:
        return True
    floor = rows.floors.get(major)
    if driver.version is not None and floor is not None and driver.version[0] >= 100:
        return driver.version >= floor
    return None if cuda is None else cuda[0] >= major


def isa_of_cuda(cuda: Numbers, rows: Rows) -> Numbers | None:
    """Return the PTX version that a toolkit writes, or a driver of that level can compile."""
    fitting = [isa for isa, made in rows.ptx if made <= cuda[:2]]
    return fitting[-1] if fitting else None


def cuda_of_isa(isa: Numbers, rows: Rows) -> Numbers | None:
    """Return the first CUDA that knows a PTX version."""
    return next((made for known, made in rows.ptx if known >= isa), None)


def branch_for_cuda(cuda: Numbers, rows: Rows) -> int | None:
    """Return the first driver branch that speaks a CUDA version natively."""
    return next((branch for branch, made in rows.branches if made >= cuda[:2]), None)


def newest_driver(last: int | None, rows: Rows) -> Driver | None:
    """Return the newest driver of the known branches up to ``last``, of all if that is None."""
    fitting = [row for row in rows.branches if last is None or row[0] <= last]
    if not fitting:
        return None
    branch, cuda = fitting[-1]
    floor = max((driver for _toolkit, driver in rows.toolkits if driver[0] == branch), default=(branch, 999))
    return Driver(version=floor, cuda=cuda, state="running", text=str(branch))
