"""What would help: remedies that the plan uses, and remedies that were tried on the facts and found to
help.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ...whisperx_catalogue.catalogue import Catalogue
from ...whisperx_common.versions import Numbers, dotted
from ..case import Case
from ..container import remedy_for
from ..gpu.driver_advice import advice, branch_needed, with_best_driver
from ..gpu.names import gpu_words, ways
from ..host import Gpu, Host, Interpreter
from ..model import MANAGED, REMEDIES, Request
from ..pythons import usable_pythons
from ..solve.candidates import World
from ..solve.resolver import Solution
from ..solve.trials import Attempt, attempt

__all__ = ["better_driver", "for_refusal", "one_kind", "used"]

Remedy = dict[str, Any]


def used(found: Attempt, solution: Solution) -> Iterator[Remedy]:
    """Yield the remedies that the plan applies."""
    world = found.best.world
    for name, pin in solution.pins.items():
        for rule in sorted({said.rule for said in world.said(pin) if said.rule in world.cures}):
            if found.remedy == "repair":
                yield {
                    "kind": "repair",
                    "package": name,
                    "version": pin.text,
                    "clear": "execstack",
                    "rule": rule,
                    "sentence": f"The executable-stack flag of {pin.subject} is cleared in its wheel",
                }
            else:
                value = str(world.catalogue.threshold("libc.execstack", "tunable_value"))
                yield {
                    "kind": "tunable",
                    "package": name,
                    "version": pin.text,
                    "environment": value,
                    "rule": rule,
                    "sentence": f"{pin.subject} runs with an executable stack; a repaired wheel is safer",
                }
    yield from _upgrades(world, solution)


def _upgrades(world: World, solution: Solution) -> Iterator[Remedy]:
    catalogue = world.catalogue
    for name, pin in solution.pins.items():
        package = catalogue.packages[name]
        for row in catalogue.rows.rules.values():
            if not row.cures or row.id in world.cures:
                continue
            older = [
                release
                for release in package.releases[: pin.index]
                if any(said.rule == row.id for said in world.said(release))
            ]
            if older:
                yield {
                    "kind": "upgrade",
                    "package": name,
                    "from": older[-1].text,
                    "to": pin.text,
                    "rule": row.id,
                    "sentence": f"{name} {pin.text} is taken: up to {older[-1].text} it does not load here",
                }


def better_driver(case: Case, found: Attempt | None) -> tuple[Remedy | None, int | None]:
    """Return the driver that would give more than ``found`` does, and the branch to advise for this host.

    More is the GPU instead of the CPU, or newer versions of what is asked for or of what computes.
    """
    host = with_best_driver(case.host, case.gpu)
    if host is None:
        return None, None
    improved = replace(case, host=host)
    best = attempt(improved, "cuda")
    if best is None or best.solution is None:
        return None, None
    needed = branch_needed(improved.gpu, best.solution.pins, case.catalogue)
    gains = _gains(found, best.solution, case)
    if not gains or needed is None:
        return None, needed
    bounds = advice(case.gpu, needed)
    last = bounds["maximum"]
    until = f" to {last}, the last for this GPU" if last else " or newer"
    what = ", ".join(f"{name} {text}" for name, text in gains.items())
    modules = None if host.wsl else case.gpu.modules
    kernel = f", with the {modules} kernel modules," if modules else ""
    signed = "; Secure Boot is on, its modules have to be signed" if host.secure_boot else ""
    kind = "on the GPU" if found is None or found.device != "cuda" else "instead"
    return {
        "kind": "driver",
        "branch": str(needed),
        **bounds,
        "modules": modules,
        "gives": gains,
        "sentence": f"Driver branch {needed}{until}{kernel} gives {what} {kind}{signed}",
    }, needed


def one_kind(case: Case) -> Iterator[Remedy]:
    """Yield, for a host with GPUs of several kinds, the kinds that could be used alone."""
    groups: dict[Numbers | None, list[Gpu]] = {}
    for gpu, capability in zip(case.gpu.gpus, case.gpu.capabilities, strict=True):
        groups.setdefault(capability, []).append(gpu)
    if len(groups) < 2 or case.host.driver.state != "running":
        return
    for alone in groups.values():
        tried = attempt(replace(case, host=replace(case.host, gpus=tuple(alone))), "cuda")
        numbers = sorted(gpu.index for gpu in alone if gpu.index is not None)
        if tried is None or tried.solution is None or not numbers:
            continue
        listed = ", ".join(map(str, numbers))
        names = ways(gpu_words(gpu, article=True) for gpu in alone)
        visible = f"CUDA_VISIBLE_DEVICES={listed.replace(' ', '')}"
        yield {
            "kind": "gpus",
            "gpus": [str(number) for number in numbers],
            "environment": visible,
            "sentence": f"Set whisperx_plan_gpus to [{listed}] to use {names} alone ({visible})",
        }


def _gains(found: Attempt | None, best: Solution, case: Case) -> dict[str, str]:
    asked = case.request.packages
    names = [name for name in best.pins if name in asked or case.catalogue.info(name).computes]
    now = (
        found.solution.pins
        if found is not None and found.solution is not None and found.device == "cuda"
        else {}
    )
    return {
        name: best.pins[name].text
        for name in names
        if name not in now or best.pins[name].index > now[name].index
    }


def for_refusal(case: Case, device: str) -> Iterator[Remedy]:
    """Yield the remedies that give this host a plan: each was tried on the facts before it is named."""

    request = case.request

    def helps(**changed: Any) -> bool:
        tried = attempt(replace(case, **changed), device)
        return tried is not None and tried.solution is not None

    missing = tuple(kind for kind in REMEDIES if kind not in request.remedies)
    for kind in missing:
        if helps(request=replace(request, remedies=(kind,))):
            yield {
                "kind": kind,
                "allowed": False,
                "sentence": f"Add {kind} to whisperx_plan_remedies",
            }
    yield from _managed(case, device)
    yield from _pythons(case, helps)
    if len([text for text in request.packages.values() if text]) > 0:
        yield from _looser(request, helps)
    if request.runtime != "container" and (image := remedy_for(case, device, helps)):
        yield image


def _managed(case: Case, device: str) -> Iterator[Remedy]:
    """Yield the step to an interpreter that the toolkit installs, where that helps and is not allowed yet."""
    sources = case.request.interpreters
    if MANAGED in sources:
        return
    allowed = replace(case, request=replace(case.request, interpreters=(*sources, MANAGED)))
    tried = attempt(allowed, device)
    if tried is None or tried.solution is None:
        return
    version = dotted(tried.best.python.version)
    yield {
        "kind": "python",
        "package": None,
        "version": dotted(tried.best.python.minor),
        "source": MANAGED,
        "sentence": f"Add managed to whisperx_plan_interpreters: it installs Python {version}",
    }


def _pythons(case: Case, helps: Any) -> Iterator[Remedy]:
    """Yield the interpreters to install: of the distribution's own packages the newest that helps, else any
    that does.
    """
    distro = case.distro
    have = {python.minor for python in usable_pythons(case)[0]}
    offered = sorted(distro.offered, reverse=True) if distro else []
    for version, package in offered:
        if version[:2] not in have and helps(host=_with_python(case.host, version)):
            yield {
                "kind": "python",
                "package": package,
                "version": dotted(version[:2]),
                "sentence": f"Install the package {package}",
            }
            return
    for version in _known_pythons(case.catalogue):
        if version not in have and helps(host=_with_python(case.host, version)):
            yield {
                "kind": "python",
                "package": None,
                "version": dotted(version),
                "sentence": f"Put Python {dotted(version)} where all users can run it (/usr/local)",
            }
            return


def _known_pythons(catalogue: Catalogue) -> list[Numbers]:
    known = {row.python[:2] for row in catalogue.rows.distros if row.python}
    return sorted(
        known | {version[:2] for row in catalogue.rows.distros for version, _package in row.offered},
        reverse=True,
    )


def _with_python(host: Host, version: Numbers) -> Host:
    extra = Interpreter(f"/usr/bin/python{dotted(version[:2])}", (*version[:2], 0))
    return replace(host, pythons=(*host.pythons, extra))


def _looser(request: Request, helps: Any) -> Iterator[Remedy]:
    for name, text in request.packages.items():
        if text and helps(request=replace(request, packages={**request.packages, name: ""})):
            yield {
                "kind": "request",
                "package": name,
                "specifier": text,
                "sentence": f"Ask for another {name} than {text}",
            }
