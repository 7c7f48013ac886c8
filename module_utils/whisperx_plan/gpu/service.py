"""Which of a host's GPUs its driver serves: by its branch, its kernel modules, and what they are bound to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ...whisperx_catalogue.rows import Generation, Rows
from ..findings import Finding, finding
from ..host import Driver, Gpu, Host
from .drivers import branch_for_cuda, capability_of, generations_of
from .names import gpu_words, ways

__all__ = [
    "RESERVED",
    "Unserved",
    "branch_of",
    "chosen",
    "only_reserved",
    "unserved",
    "unserved_findings",
    "usable",
]

# The module that keeps a GPU for virtual machines.
RESERVED = "vfio-pci"


@dataclass(frozen=True)
class Unserved:
    """A GPU that the driver does not serve. ``why``: "branch", or "modules" for the other kind of them."""

    gpu: Gpu
    generation: Generation
    why: str


def branch_of(driver: Driver, rows: Rows) -> int | None:
    """Return the branch of a driver, as the tables name it; by its CUDA where its version is unknown."""
    if driver.version is not None:
        # Windows counts on within a branch: 581.80 is of branch 580.
        fitting = [branch for branch, _end in rows.branches if branch <= driver.version[0]]
        return max(fitting, default=driver.version[0])
    return branch_for_cuda(driver.cuda, rows) if driver.cuda is not None else None


def unserved(host: Host, rows: Rows) -> tuple[Unserved, ...]:
    """Return the GPUs of a host that its driver is known not to serve."""
    driver = host.driver
    branch = branch_of(driver, rows)
    if driver.state not in ("running", "unusable") or branch is None or host.tegra is not None:
        return ()
    found = []
    for gpu in host.gpus:
        generation = next(iter(generations_of([capability_of(gpu, rows)], rows)), None)
        if generation is None:
            continue
        last = generation.last_branch
        if branch < generation.first_branch or (last is not None and branch > last):
            found.append(Unserved(gpu, generation, "branch"))
        elif _other_modules(host, generation):
            found.append(Unserved(gpu, generation, "modules"))
    return tuple(found)


def _other_modules(host: Host, generation: Generation) -> bool:
    """Say whether the loaded kernel modules are of the kind that a generation does not work with."""
    if host.wsl or host.driver.open is None or generation.modules is None:
        return False
    return host.driver.open != (generation.modules == "open")


def chosen(host: Host, wanted: tuple[str, ...], rows: Rows) -> Host:
    """Return the host with the GPUs that are asked for, by number or by words of the name; all for none.

    The GPUs that CUDA shows get their numbers there.
    """
    shown = [gpu for gpu in usable(host, rows).gpus if gpu.index is not None]
    shown.sort(key=lambda gpu: gpu.index or 0)
    numbers = {gpu: number for number, gpu in enumerate(shown)}
    gpus = tuple(replace(gpu, index=numbers.get(gpu)) for gpu in host.gpus)
    if wanted:
        gpus = tuple(gpu for gpu in gpus if any(_names(gpu, text) for text in wanted))
    return replace(host, gpus=gpus)


def _names(gpu: Gpu, text: str) -> bool:
    if text.isdigit():
        return gpu.index is not None and gpu.index == int(text)
    return f" {text.lower().strip()} " in f" {gpu.name.lower()} "


def only_reserved(host: Host) -> bool:
    """Say whether all GPUs of the host are kept for virtual machines."""
    return all(one.driver == RESERVED for one in host.gpus)


def usable(host: Host, rows: Rows) -> Host:
    """Return the host with the GPUs that CUDA shows there; if there is none, with those it has."""
    free = tuple(one for one in host.gpus if one.driver != RESERVED) or host.gpus
    if host.driver.state == "running" and any(one.driver == "nvidia" for one in free):
        free = tuple(one for one in free if one.driver in (None, "nvidia"))
    ignored = {one.gpu for one in unserved(host, rows)}
    served = tuple(one for one in free if one not in ignored) or free
    return replace(host, gpus=served)


def unserved_findings(
    found: Iterable[Unserved], host: Host, rows: Rows, needed: int | None = None
) -> list[tuple[str, Finding]]:
    """Return, with its subject, what is said of GPUs that the driver does not serve, one per generation.

    ``needed``: the first branch to advise, where a set asks for more than the GPU does.
    """
    groups: dict[tuple[str, str], list[Unserved]] = {}
    for one in found:
        groups.setdefault((one.generation.name, one.why), []).append(one)
    branch = branch_of(host.driver, rows)
    return [
        (ways(gpu_words(one.gpu) for one in group), _said(group, host.driver, branch, needed))
        for group in groups.values()
    ]


def _said(group: list[Unserved], driver: Driver, branch: int | None, needed: int | None) -> Finding:
    generation = group[0].generation
    last = generation.last_branch
    first = max(generation.first_branch, needed or 0)
    if last is not None and first > last:
        first = generation.first_branch
    too_new = last is not None and branch is not None and branch > last
    words = {
        "gpus": ways(gpu_words(one.gpu, article=True) for one in group),
        "generation": generation.name,
        "branch": str(branch),
        "bound": f"last branch {last}" if too_new else f"first branch {generation.first_branch}",
        "advised": str(first) + (f" to {last}" if last is not None else " or newer"),
        "kernel": f" with the {generation.modules} kernel modules" if generation.modules else "",
        "modules": str(generation.modules),
        "other": "proprietary" if generation.modules == "open" else "open",
    }
    shown = f"driver {driver.text or 'of branch ' + words['branch']}"
    return finding("driver.modules" if group[0].why == "modules" else "driver.window", shown, **words)
