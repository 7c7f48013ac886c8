"""Sentences that rule nothing out but that a user should have read before running the plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...whisperx_catalogue.catalogue import Catalogue
from ..findings import finding
from ..gpu.cuda import Code, capability, how_it_runs
from ..gpu.names import gpu_words, ways
from ..host import Host
from ..platforms import distro_of
from ..solve.resolver import Solution
from ..solve.trials import Attempt
from .driver_notes import (
    container_gate,
    driver_rule,
    forward_in_use,
    forward_instead,
    marked,
    missing_avx,
    of_windows,
    toolkits_of,
)
from .sentences import sentence_of

__all__ = ["driver_notes", "notes_of"]


def notes_of(
    host: Host, found: Attempt, solution: Solution, remedies: list[dict[str, Any]], catalogue: Catalogue
) -> Iterator[str]:
    """Yield the notes of a plan, full sentences. ``remedies``: what the plan advises."""
    yield from _advisories(host, found, solution, catalogue)
    yield from _amendments(solution, catalogue)
    yield from _compiled(host, found, solution, catalogue)
    yield from _driver(host, found, solution, remedies, catalogue)
    yield from _processor(host, solution, catalogue)
    yield from _ffmpeg(host, solution, catalogue)
    if found.remedy == "tunable" and host.selinux == "enforcing":
        yield "SELinux is enforcing: it may refuse the executable stack; prefer a repaired wheel."


def _advisories(host: Host, found: Attempt, solution: Solution, catalogue: Catalogue) -> Iterator[str]:
    majors = {known[0] for gpu in host.gpus if (known := capability(gpu, catalogue))}
    for row in catalogue.rows.advisories:
        pin = solution.pins.get(row.package)
        if pin is None or row.device not in ("any", found.device):
            continue
        if row.capability is not None and row.capability not in majors:
            continue
        if row.versions.contains(pin.version, prereleases=True):
            yield f"{row.sentence}. [{row.id}]"


def _amendments(solution: Solution, catalogue: Catalogue) -> Iterator[str]:
    """Yield what an amendment adds to this set; what one keeps away is among the reasons."""
    for pin in solution.pins.values():
        for row in catalogue.amendments(pin):
            if row.adds:
                yield f"{', '.join(str(entry) for entry in row.adds)} is added: {row.sentence}. [{row.id}]"


def _compiled(host: Host, found: Attempt, solution: Solution, catalogue: Catalogue) -> Iterator[str]:
    if found.device != "cuda":
        return
    for name, pin in solution.pins.items():
        abi = pin.abi.get(host.machine or "")
        if abi is None or not catalogue.info(name).computes:
            continue
        code = Code(abi.sass, abi.ptx, abi.ptx_isa)
        gpus = [gpu for gpu in host.gpus if how_it_runs(code, capability(gpu, catalogue)) == "ptx"]
        if gpus:
            names = ways(gpu_words(gpu, article=True) for gpu in gpus)
            yield f"The first start is slow: the driver compiles the kernels of {pin.subject} for {names}."


def _driver(
    host: Host, found: Attempt, solution: Solution, remedies: list[dict[str, Any]], catalogue: Catalogue
) -> Iterator[str]:
    """Yield by which rules the driver serves the set, and the other ways to a newer libcuda."""
    if found.device == "cuda":
        made = list(toolkits_of(host, solution.pins, catalogue))
        for subject, cuda in made:
            if (said := driver_rule(host, cuda, catalogue)) is not None:
                yield marked(said, subject, catalogue)
        newest = max((cuda for _, cuda in made), default=None)
        if newest is not None and (said := container_gate(host, newest, catalogue)) is not None:
            yield marked(said, "driver", catalogue)
        if (said := forward_in_use(host, catalogue)) is not None:
            yield marked(said, "driver", catalogue)
    wanted = found.best.world.target.request.device != "cpu"
    yield from driver_notes(host, remedies, wanted, catalogue)


def driver_notes(
    host: Host, remedies: list[dict[str, Any]], wanted: bool, catalogue: Catalogue
) -> Iterator[str]:
    """Yield, for a plan or a refusal, where a driver that ``remedies`` advise comes from, and the other way
    to a newer libcuda. ``wanted``: the request does not exclude a GPU.
    """
    for said in (forward_instead(host, remedies, catalogue), of_windows(host, remedies, wanted)):
        if said is not None:
            yield marked(said, "driver", catalogue)


def _processor(host: Host, solution: Solution, catalogue: Catalogue) -> Iterator[str]:
    missing = missing_avx(host, solution.pins, catalogue)
    if missing is not None:
        yield marked(missing[1], missing[0], catalogue)


def _ffmpeg(host: Host, solution: Solution, catalogue: Catalogue) -> Iterator[str]:
    distro = distro_of(host, catalogue)
    has = host.libavutil or ((distro.libavutil,) if distro and distro.libavutil else ())
    for package, versions, libraries in catalogue.rows.ffmpeg:
        pin = solution.pins.get(package)
        if (
            pin is None
            or not has
            or not versions.contains(pin.version, prereleases=True)
            or libraries & set(has)
        ):
            continue
        wants = ", ".join(str(number) for number in sorted(libraries))
        said = finding("ffmpeg.torchcodec", str(has), wants=wants, has=", ".join(map(str, has)))
        yield sentence_of(said, pin.subject, catalogue) + "."
    wanted = any("ffmpeg" in catalogue.info(name).system for name in solution.pins)
    if (
        wanted
        and distro is not None
        and distro.ffmpeg is None
        and distro.ffmpeg_note
        and not host.ffmpeg_path
    ):
        yield f"ffmpeg is not installed by the plan: {distro.ffmpeg_note}."
