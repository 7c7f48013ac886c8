"""Sentences that rule nothing out but that a user should have read before running the plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...whisperx_catalogue.catalogue import Catalogue
from ..case import Case
from ..findings import finding
from ..gpu.device_code import code_of
from ..gpu.names import gpu_words, ways
from ..pythons import unusual_layout
from ..solve.dependencies import holding
from ..solve.resolver import Solution
from ..solve.trials import Attempt
from .driver_notes import (
    container_gate,
    driver_rule,
    exclusive,
    forward_in_use,
    forward_instead,
    marked,
    missing_avx,
    of_windows,
    toolkits_of,
)
from .sentences import sentence_of

__all__ = ["driver_notes", "notes_of"]


def notes_of(case: Case, found: Attempt, solution: Solution, remedies: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the notes of a plan, full sentences. ``remedies``: what the plan advises."""
    yield from _advisories(case, found, solution)
    yield from _amendments(found, solution, case.catalogue)
    yield from _compiled(case, found, solution)
    yield from _driver(case, found, solution, remedies)
    yield from _processor(case, solution)
    yield from _ffmpeg(case, solution)
    if (said := unusual_layout(case)) is not None:
        yield marked(said, case.host.os_id or "the host", case.catalogue)
    if found.remedy == "tunable" and case.host.selinux == "enforcing":
        yield "SELinux is enforcing: it may refuse the executable stack; prefer a repaired wheel."


def _advisories(case: Case, found: Attempt, solution: Solution) -> Iterator[str]:
    majors = {known[0] for known in case.gpu.capabilities if known}
    for row in case.catalogue.rows.advisories:
        pin = solution.pins.get(row.package)
        if pin is None or row.device not in ("any", found.device):
            continue
        if row.capability is not None and row.capability not in majors:
            continue
        if row.versions.contains(pin.version, prereleases=True):
            yield f"{row.sentence}. [{row.id}]"


def _amendments(found: Attempt, solution: Solution, catalogue: Catalogue) -> Iterator[str]:
    """Yield what an amendment adds to this set or leaves out; what one keeps away is among the reasons."""
    for pin in solution.pins.values():
        for row in catalogue.amendments(pin):
            dropped = holding(row.drops, found.best.world.target)
            if dropped:
                names = ", ".join(entry.name for entry in dropped)
                yield f"{names} is left out: {row.sentence}. [{row.id}]"
            if row.adds:
                yield f"{', '.join(str(entry) for entry in row.adds)} is added: {row.sentence}. [{row.id}]"


def _compiled(case: Case, found: Attempt, solution: Solution) -> Iterator[str]:
    if found.device != "cuda":
        return
    for name, pin in solution.pins.items():
        abi = pin.abi.get(case.host.machine or "")
        if abi is None or not case.catalogue.info(name).computes:
            continue
        gpus = case.gpu.compiled(code_of(abi))
        if gpus:
            names = ways(gpu_words(gpu, article=True) for gpu in gpus)
            yield f"The first start is slow: the driver compiles the kernels of {pin.subject} for {names}."


def _driver(case: Case, found: Attempt, solution: Solution, remedies: list[dict[str, Any]]) -> Iterator[str]:
    """Yield by which rules the driver serves the set, and the other ways to a newer libcuda."""
    gpu, catalogue = case.gpu, case.catalogue
    if found.device == "cuda":
        made = list(toolkits_of(gpu, solution.pins, catalogue))
        for subject, cuda in made:
            if (said := driver_rule(gpu, cuda)) is not None:
                yield marked(said, subject, catalogue)
        newest = max((cuda for _subject, cuda in made), default=None)
        if newest is not None and (said := container_gate(gpu, newest)) is not None:
            yield marked(said, "driver", catalogue)
        for said in (forward_in_use(gpu), exclusive(gpu)):
            if said is not None:
                yield marked(said, "driver", catalogue)
        if case.host.other_gpus:
            others = ways(case.host.other_gpus)
            yield (
                sentence_of(finding("gpu.vendor", others, gpus=others), others, catalogue) + ". [gpu.vendor]"
            )
    yield from driver_notes(case, remedies)


def driver_notes(case: Case, remedies: list[dict[str, Any]]) -> Iterator[str]:
    """Yield, for a plan or a refusal, where a driver that ``remedies`` advise comes from, and the other way
    to a newer libcuda.
    """
    wanted = case.request.device != "cpu"
    instead = forward_instead(case.gpu, remedies, case.catalogue)
    for said in (instead, of_windows(case.host, remedies, wanted)):
        if said is not None:
            yield marked(said, "driver", case.catalogue)


def _processor(case: Case, solution: Solution) -> Iterator[str]:
    missing = missing_avx(case.host, solution.pins, case.catalogue)
    if missing is not None:
        yield marked(missing[1], missing[0], case.catalogue)


def _ffmpeg(case: Case, solution: Solution) -> Iterator[str]:
    host, distro, catalogue = case.host, case.distro, case.catalogue
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
