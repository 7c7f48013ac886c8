"""Further packages in a resolution: the room they get, what they must not add, and what to say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..whisperx_common.extras import Extra
from ..whisperx_common.lockfile import LockedPackage
from ..whisperx_common.names import normalise
from ..whisperx_libraries import Requirement, SpecifierSet
from ..whisperx_problem import Problem
from .fit import extras_of, pins_of
from .uv import CUDA_PARTS, TORCH_FAMILY

__all__ = ["about_extras", "amended", "check_commands", "check_extras", "moved", "relaxed"]

_VARIABLE = "whisperx_plan_extras"


def relaxed(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return a plan that pins only torch's family and CUDA; all else may be what its constraints admit.

    The build of torch was chosen for one version of it.
    """
    rules = {normalise(name): str(text) for name, text in (plan.get("constraints") or {}).items() if text}
    pins = pins_of(plan)
    kept = {name: version for name, version in pins.items() if _stays(name) or name not in rules}
    lines = []
    for line in plan["requirements"]:
        requirement = Requirement(line)
        name = normalise(requirement.name)
        free = name in pins and name not in kept
        lines.append(f"{name}{rules[name]}" if free else str(line))
    return {**plan, "pins": kept, "requirements": lines}


def amended(plan: Mapping[str, Any], packages: Sequence[LockedPackage]) -> dict[str, Any] | None:
    """Return the plan with what the catalogue knows beyond METADATA of packages that extras add or move.

    None when the resolution has all of it. What holds for the plan's own versions is in the plan already.
    """
    pins = pins_of(plan)
    adds, limits = list(plan["requirements"]), list(plan.get("limits") or ())
    for package in packages:
        if package.name not in pins or pins[package.name] != package.version:
            for row in plan.get("amendments") or ():
                versions = SpecifierSet(str(row["versions"]))
                if row["package"] == package.name and versions.contains(package.version, prereleases=True):
                    adds += [line for line in row["adds"] if line not in adds]
                    limits += [line for line in row["limits"] if line not in limits]
    if adds == list(plan["requirements"]) and limits == list(plan.get("limits") or ()):
        return None
    return {**plan, "requirements": adds, "limits": limits}


def moved(plan: Mapping[str, Any], packages: Sequence[LockedPackage]) -> tuple[str, ...]:
    """Say which of the plan's versions gave way to others that it admits."""
    pins = pins_of(plan)
    told = [
        f"{package.name} {package.version} instead of {pins[package.name]}"
        for package in packages
        if package.version.partition("+")[0] != pins.get(package.name, package.version).partition("+")[0]
    ]
    names = ", ".join(extras_of(plan))
    return (f"to leave room for {names}, the lock takes {', '.join(told)}",) if told else ()


def check_extras(versions: Mapping[str, str], plan: Mapping[str, Any]) -> None:
    """Raise Problem "lock.extra-torch" where extras add a torch that the plan did not choose a build of."""
    extras = extras_of(plan)
    pins = pins_of(plan)
    added = [name for name in TORCH_FAMILY if extras and name in versions and name not in pins]
    if added:
        raise Problem(
            "lock.extra-torch",
            f"{', '.join(extras)} require {', '.join(added)}, of which the plan chose no build",
            _VARIABLE,
            f"{added[0]} in whisperx_plan_packages, so that the plan chooses the build for the host",
            f'Add {added[0]} to whisperx_plan_packages: {{{added[0]}: ""}}.',
        )


def check_commands(extras: Sequence[Extra], plan: Mapping[str, Any]) -> None:
    """Raise Problem "lock.command-clash" where two packages of the set have a command of one name."""
    owners = {str(name): "the set" for name in plan.get("scripts") or ()}
    for extra in extras:
        for command in extra.commands:
            other = owners.setdefault(command, extra.name)
            if other != extra.name:
                raise Problem(
                    "lock.command-clash",
                    f"{extra.name} and {other} both have a command '{command}'",
                    _VARIABLE,
                    "one package for each command",
                    f"Remove {extra.name} from {_VARIABLE}, or ask for a version without that command.",
                )


def about_extras(problem: Problem, plan: Mapping[str, Any]) -> Problem:
    """Return a resolver's complaint with both sides named, and the next step for who asked for extras."""
    if problem.rule != "lock.unsatisfiable":
        return problem
    extras = ", ".join(f"{name}{text}" for name, text in extras_of(plan).items())
    wanted = ", ".join(f"{name}{text}" for name, text in plan["request"].items())
    return Problem(
        problem.rule,
        f"{extras} ({_VARIABLE}) and {wanted} (whisperx_plan_packages) cannot be locked together: "
        + problem.found.partition(": ")[2],
        problem.where,
        "extras that fit the versions which work on the hosts",
        f"Loosen or remove the entry of {_VARIABLE} that is named here, or name an index or a "
        "directory (whisperx_plan_find_links) that has a wheel of it for these hosts.",
    )


def _stays(name: str) -> bool:
    return name in TORCH_FAMILY or name == "torchcodec" or name.startswith(CUDA_PARTS)
