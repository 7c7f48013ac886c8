"""Which GPU can run which device code under which driver: machine code, PTX, driver floors and branches.
Tables only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from ...whisperx_catalogue.catalogue import Catalogue
from ...whisperx_catalogue.rows import Generation
from ...whisperx_common.versions import Numbers
from ..host import Driver, Gpu

__all__ = [
    "Code",
    "branch_for_cuda",
    "capability",
    "driver_cuda",
    "generation",
    "highest_branch",
    "how_it_runs",
    "isa_of_cuda",
    "lowest_branch",
    "meets_floor",
    "modules_of",
    "newest_driver",
]


@dataclass(frozen=True)
class Code:
    """Device code of a wheel or build. ``isa``: the PTX version the driver must compile, None if unknown."""

    sass: tuple[str, ...]
    ptx: tuple[str, ...]
    isa: Numbers | None


def capability(gpu: Gpu, catalogue: Catalogue) -> Numbers | None:
    """Return the compute capability: as probed, else what the PCI device id tells, else None."""
    if gpu.capability is not None:
        return gpu.capability
    parts = (gpu.pci_id or "").lower().split(":")
    if len(parts) != 2 or parts[0] != "10de":
        return None
    try:
        device = int(parts[1], 16)
    except ValueError:
        return None
    return next((found for first, last, found in catalogue.rows.devices if first <= device <= last), None)


def generation(found: Numbers, catalogue: Catalogue) -> Generation | None:
    """Return the GPU generation of a capability."""
    return next((row for row in catalogue.rows.generations if row.first <= found <= row.last), None)


@cache
def _capability(text: str) -> tuple[Numbers, bool]:
    """Return ("9.0a") -> ((9, 0), True): the flag tells code for exactly this chip."""
    exact = text[-1:] in ("a", "f")
    major, _, minor = text.rstrip("af").partition(".")
    return (int(major), int(minor or 0)), exact


def how_it_runs(code: Code, found: Numbers | None) -> str | None:
    """Return "sass" where the wheel has machine code for the GPU, "ptx" where the driver must compile, else
    None.
    """
    if found is None:
        return None
    for text in code.sass:
        built, exact = _capability(text)
        if built == found or (not exact and built[0] == found[0] and built <= found):
            return "sass"
    for text in code.ptx:
        built, exact = _capability(text)
        if built == found or (not exact and built <= found):
            return "ptx"
    return None


def driver_cuda(driver: Driver, catalogue: Catalogue) -> Numbers | None:
    """Return the newest CUDA the driver speaks: as probed, else by its branch."""
    if driver.cuda is not None:
        return driver.cuda
    if driver.version is None:
        return None
    fitting = [cuda for branch, cuda in catalogue.rows.branches if branch <= driver.version[0]]
    return fitting[-1] if fitting else None


def meets_floor(driver: Driver, major: int, catalogue: Catalogue) -> bool | None:
    """Say whether machine code of a CUDA major runs: natively, or by the minor-version rule. None if
    nothing is known.
    """
    cuda = driver_cuda(driver, catalogue)
    if cuda is not None and cuda[0] > major:
        return True
    floor = catalogue.rows.floors.get(major)
    if driver.version is not None and floor is not None and driver.version[0] >= 100:
        return driver.version >= floor
    return None if cuda is None else cuda[0] >= major


def isa_of_cuda(cuda: Numbers, catalogue: Catalogue) -> Numbers | None:
    """Return the PTX version that a toolkit writes, or a driver of that level can compile."""
    fitting = [isa for isa, made in catalogue.rows.ptx if made <= cuda[:2]]
    return fitting[-1] if fitting else None


def cuda_of_isa(isa: Numbers, catalogue: Catalogue) -> Numbers | None:
    """Return the first CUDA that knows a PTX version."""
    return next((made for known, made in catalogue.rows.ptx if known >= isa), None)


def branch_for_cuda(cuda: Numbers, catalogue: Catalogue) -> int | None:
    """Return the first driver branch that speaks a CUDA version natively."""
    return next((branch for branch, made in catalogue.rows.branches if made >= cuda[:2]), None)


def highest_branch(gpus: Iterable[Gpu], catalogue: Catalogue) -> int | None:
    """Return the last driver branch that serves every GPU, None if there is no end yet."""
    rows = [_generation_of(gpu, catalogue) for gpu in gpus]
    return min((row.last_branch for row in rows if row and row.last_branch is not None), default=None)


def lowest_branch(gpus: Iterable[Gpu], catalogue: Catalogue) -> int | None:
    """Return the first driver branch that serves every GPU."""
    rows = [_generation_of(gpu, catalogue) for gpu in gpus]
    return max((row.first_branch for row in rows if row), default=None)


def modules_of(gpus: Iterable[Gpu], catalogue: Catalogue) -> str | None:
    """Return the kind of kernel modules these GPUs need, "open" or "proprietary"; None where either does."""
    kinds = {row.modules for gpu in gpus if (row := _generation_of(gpu, catalogue)) and row.modules}
    return kinds.pop() if len(kinds) == 1 else None


def newest_driver(gpus: Iterable[Gpu], catalogue: Catalogue) -> Driver | None:
    """Return the best driver these GPUs can get, as the catalogue knows branches."""
    last = highest_branch(gpus, catalogue)
    fitting = [row for row in catalogue.rows.branches if last is None or row[0] <= last]
    if not fitting:
        return None
    branch, cuda = fitting[-1]
    floor = max(
        (driver for _, driver in catalogue.rows.toolkits if driver[0] == branch), default=(branch, 999)
    )
    return Driver(version=floor, cuda=cuda, state="running", text=str(branch))


def _generation_of(gpu: Gpu, catalogue: Catalogue) -> Generation | None:
    found = capability(gpu, catalogue)
    return generation(found, catalogue) if found else None
