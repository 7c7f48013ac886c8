"""The plan of a host, spelt out from the set that was found: pins, constraints, paths, class."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ...whisperx_catalogue.catalogue import Package
from ...whisperx_catalogue.release import Release, canonical, specifier
from ...whisperx_catalogue.rows import Build
from ...whisperx_common.versions import dotted
from .. import extras as further
from ..case import Case, Target
from ..explain.ruled_out import admitted
from ..gpu.cuda_libraries import Library
from ..gpu.driver_advice import cuda_level
from ..gpu.libraries_needed import wanted_libraries
from ..gpu.torch_builds import brings, series_of
from ..host import Interpreter
from ..model import MANAGED, SYSTEM
from ..pythons import distutils_package, lacks_distutils
from ..solve.dependencies import holding, wants_of
from ..solve.resolver import Solution
from ..solve.trials import Attempt
from .constraints import others, specifier_for, without

__all__ = ["Parts", "host_class", "spell_out", "system_packages"]

Parts = dict[str, Any]
# Newer than any patch release of a Python.
_LAST_PATCH = 999


def spell_out(case: Case, found: Attempt, solution: Solution) -> Parts:
    """Return the fields of a Plan that follow from the set; reasons, remedies, notes and class are added
    elsewhere.
    """
    host, catalogue, world = case.host, case.catalogue, found.best.world
    python = world.target.python
    pins = solution.pins
    torch = next((pin for name, pin in pins.items() if catalogue.info(name).builds), None)
    build = case.gpu.build(torch, found.device) if torch else None
    series = series_of(torch, host.machine, catalogue.rows) if torch else None
    libraries = _libraries(found, pins)
    repairs, environment = _cured(found, pins)
    infos = [catalogue.info(name) for name in pins]
    # A Jetson's system brings the libraries of CUDA; those of the index are not made for it.
    brought = [] if host.tegra else libraries
    more = _added(found, pins, build, series.default if series else None, brought)
    return {
        "request": dict(world.target.request.packages),
        "extras": dict(world.target.request.extras),
        "machine": host.machine or "",
        "libc": {"family": host.libc_family or "", "version": dotted(host.libc_version or ())},
        "platform": case.platform[0] if case.platform else "",
        "runtime": "venv",
        "device": found.device,
        "python": dotted(python.minor),
        "python_path": python.path,
        "python_source": MANAGED if python.archive else SYSTEM,
        "python_archive": _archive(python),
        "torch_build": build.name if build else None,
        "default_torch_build": series.default if series else None,
        "pins": {name: pin.text for name, pin in pins.items()}
        | {name: text for name, (text, _wanted) in more.items()},
        "left_out": _left_out(found, pins),
        "constraints": {
            **_constraints(found, pins),
            **{name: wanted for name, (_text, wanted) in more.items()},
        },
        "requirements": _requirements(found, pins, build, brought),
        "environment": {**environment, **_visible(case, found)},
        "loader_paths": sorted({row.path for row in brought}),
        "repairs": repairs,
        "system_packages": system_packages(case, python, pins),
        "imports": [
            {"package": info.name, "module": info.module, "optional": info.optional}
            for info in infos
            if info.module
        ],
        "scripts": [script for info in infos for script in info.scripts],
        "sonames": {
            "opens": sorted({row.name for row in libraries}),
            "optional": sorted(catalogue.rows.ignored | catalogue.rows.soname_optional),
        },
        "execstack_refused_from": str(catalogue.threshold("libc.execstack", "glibc")),
        "built_from_sdist": [
            dict(row.recipe) for row in catalogue.rows.built_from_sdist.values() if row.serves(pins)
        ],
        "catalogue": catalogue.digest,
        "amendments": _amendments(case),
        "wheels": _own_wheels(found, pins),
    }


def _own_wheels(found: Attempt, pins: Mapping[str, Release]) -> list[dict[str, Any]]:
    """Return the user's own wheels that run on the host, of the packages in the set."""
    world = found.best.world
    target = world.target
    return [
        {
            "package": name,
            "version": release.text,
            "file": wheel.file,
            "sha256": wheel.sha256,
            "size": wheel.size,
        }
        for name, mask in sorted(admitted(world, pins).items())
        for release in world.catalogue.packages[name].members(mask)
        for wheel in release.fitting(target.machine, target.host.libc_family or "glibc")
        if wheel.site and wheel.fits_python(target.python.minor)
    ]


def _archive(python: Interpreter) -> dict[str, Any] | None:
    """Return the standalone build to install: what of its row pins it, and where it is."""
    row = python.archive
    if row is None:
        return None
    return {
        "version": dotted(row.version),
        "build": row.build,
        "machine": row.machine,
        "libc": f"{row.libc[0]} {dotted(row.libc[1])}",
        "file": row.file,
        "sha256": row.sha256,
        "size": row.size,
        "security": row.security,
        "base": row.base,
    }


def _visible(case: Case, found: Attempt) -> dict[str, str]:
    """Return what shows CUDA the GPUs that are asked for, and no others."""
    if not case.request.gpus or found.device != "cuda":
        return {}
    numbers = sorted(gpu.index for gpu in case.host.gpus if gpu.index is not None)
    shown = ",".join(map(str, numbers))
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": shown} if numbers else {}


def _amendments(case: Case) -> list[dict[str, Any]]:
    """Return what METADATA misses, for packages that extras may bring or move; none without extras."""
    return [
        {
            "package": row.package,
            "versions": str(row.versions),
            "adds": [str(line) for line in row.adds],
            "limits": [str(line) for line in row.limits],
        }
        for row in case.catalogue.rows.amendments
        if case.request.extras and (row.adds or row.limits)
    ]


def _libraries(found: Attempt, pins: Mapping[str, Release]) -> list[Library]:
    if found.device != "cuda":
        return []
    target = found.best.world.target
    return [
        row
        for release in pins.values()
        for row in wanted_libraries(release, target.machine, target.catalogue)
    ]


def _constraints(found: Attempt, pins: Mapping[str, Release]) -> dict[str, str]:
    """Return a specifier per catalogued package, and the bounds that amendments set for others."""
    world = found.best.world
    texts = {
        name: specifier_for(
            world.catalogue.packages[name], mask, world.passing[name], world.target.request.unknown
        )
        for name, mask in admitted(world, pins).items()
    }
    bounds: dict[str, set[str]] = {}
    for release in pins.values():
        wants = wants_of(release, world.target)
        for need in wants.needs:
            if need.limit and need.name not in pins and need.text:
                bounds.setdefault(need.name, set()).add(need.text)
        for name, text in wants.bounds:
            bounds.setdefault(name, set()).add(text)
    if world.target.request.extras:
        texts |= others(world, {*texts, *bounds})
    joined = {name: ",".join(sorted(parts)) for name, parts in sorted(bounds.items())}
    # Blocked ones also of what only the user's further packages bring in.
    known = sorted({row.package for row in world.catalogue.rows.blocked} - set(texts) - set(joined))
    whole = {**joined, **texts, **dict.fromkeys(known, "")}
    spelt = {name: without(text, world.catalogue.blocked_versions(name)) for name, text in whole.items()}
    return {name: text for name, text in spelt.items() if text}


def _left_out(found: Attempt, pins: Mapping[str, Release]) -> list[str]:
    """Return what METADATA wants and the set does without."""
    target = found.best.world.target
    asked = {canonical(name) for name in target.request.extras}
    dropped = {name for release in pins.values() for name in wants_of(release, target).dropped}
    return sorted(dropped - set(pins) - asked)


def _added(
    found: Attempt,
    pins: Mapping[str, Release],
    build: Build | None,
    default: str | None,
    libraries: list[Library],
) -> dict[str, tuple[str, str]]:
    """Return version and constraint of what else of the catalogue a lock will hold: the libraries of torch's
    default build, and those that are added to the set.
    """
    target = found.best.world.target
    catalogue = target.catalogue
    more: dict[str, tuple[str, str]] = {}
    torch = next((pin for name, pin in pins.items() if catalogue.info(name).builds), None)
    if torch is not None and build is not None and build.cuda is not None and build.name == default:
        for entry in holding(torch.requirements(target.machine), target):
            package = catalogue.packages.get(canonical(entry.name))
            exact = [part.version for part in entry.specifier if part.operator == "=="]
            if package is not None and package.cuda is not None and len(exact) == 1:
                more[package.name] = (exact[0], f"=={exact[0]}")
    for row in libraries:
        if row.package not in more and not brings(build, row, target.machine, catalogue):
            newest = _newest(catalogue.packages[row.package], row.range, target)
            if newest is not None:
                more[row.package] = (newest.text, row.range)
    return {name: more[name] for name in sorted(set(more) - set(pins))}


def _newest(package: Package, text: str, target: Target) -> Release | None:
    """Return the newest final release of a range with a wheel for a target."""
    fitting = (
        release
        for release in package.members(package.mask(text))
        if release.yanked is None
        and not release.version.is_prerelease
        and release.fitting(target.machine, target.host.libc_family or "glibc")
    )
    return next(fitting, None)


def _requirements(
    found: Attempt,
    pins: Mapping[str, Release],
    build: Build | None,
    libraries: list[Library],
) -> list[str]:
    """Return what the resolver is asked for: the requested packages, what METADATA forgot, libraries nobody
    brings.
    """
    world = found.best.world
    machine, catalogue = world.target.machine, world.catalogue
    lines = [f"{name}=={pins[name].text}" for name in world.target.request.packages]
    more = {line for release in pins.values() for line in wants_of(release, world.target).extra}
    more |= {f"{row.package}{row.range}" for row in libraries if not brings(build, row, machine, catalogue)}
    asked = {canonical(name) for name in world.target.request.packages}
    more |= {
        f"{need.name}=={pins[need.name].text}"
        for release in pins.values()
        for need in world.needs(release)
        if need.why and not need.limit and need.name in pins and need.name not in asked
    }
    return lines + further.lines(world.target.request.extras) + sorted(more)


def _cured(found: Attempt, pins: Mapping[str, Release]) -> tuple[list[dict[str, str]], dict[str, str]]:
    """Return the wheels to repair, or the environment to set, for the rules that the remedy made harmless."""
    world = found.best.world
    hurt = [
        release for release in pins.values() if any(said.rule in world.cures for said in world.said(release))
    ]
    if not hurt:
        return [], {}
    if found.remedy == "repair":
        return [{"package": pin.package, "version": pin.text, "clear": "execstack"} for pin in hurt], {}
    name = str(world.catalogue.threshold("libc.execstack", "tunable_name"))
    return [], {name: str(world.catalogue.threshold("libc.execstack", "tunable_value"))}


def system_packages(case: Case, python: Interpreter, pins: Mapping[str, Release]) -> list[str]:
    """Return the distribution's packages of the programs that the set calls; none for a program that is
    there.
    """
    distro, catalogue = case.distro, case.catalogue
    wanted = {program for name in pins for program in catalogue.info(name).system}
    if "ffmpeg" in wanted and case.host.ffmpeg_path:
        wanted.discard("ffmpeg")
    found = {distro.ffmpeg if distro is not None and program == "ffmpeg" else program for program in wanted}
    if lacks_distutils(python, catalogue):
        found.add(distutils_package(python, distro))
    return sorted(package for package in found if package)


def host_class(parts: Parts, case: Case, found: Attempt, solution: Solution) -> str:
    """Return the readable id of the hosts with this answer.

    The digest covers the answer but its versions, and of the host what the versions depend on: it stays
    when a newer release enters the catalogue, and differs where constraints differ.
    """
    host, request = case.host, case.request
    identity: dict[str, Any] = {
        key: parts[key]
        for key in ("request", "platform", "libc", "python", "device", "torch_build", "environment")
    }
    mine = {(row["package"], row["version"]) for row in parts["wheels"]}
    if chosen := sorted(
        f"{name}=={pin.text}" for name, pin in solution.pins.items() if (name, pin.text) in mine
    ):
        identity["wheels"] = chosen
    if parts["extras"]:  # an id without them is the one of before there were any
        identity["extras"] = parts["extras"]
    identity["unknown"], identity["remedy"] = request.unknown, found.remedy
    identity["repairs"] = sorted(row["package"] for row in parts["repairs"])
    identity["cpu"] = _missing_flags(case, solution)
    identity["bands"] = _own_bands(found, solution)
    if found.best.python.archive is not None:
        # Of it not the patch: a class keeps its name, and with that its lock, when a newer one is built.
        identity["python_source"] = parts["python_source"]
    if found.device == "cuda":
        identity["gpus"] = sorted({dotted(capability or ()) for capability in case.gpu.capabilities})
        identity["driver"] = cuda_level(case.gpu, solution.pins, case.catalogue)
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]
    libc = f"{host.libc_family}{dotted(host.libc_version or ())}"
    tag = found.best.python.tag
    return "-".join((host.machine or "", libc, tag, parts["torch_build"] or found.device, digest))


def _missing_flags(case: Case, solution: Solution) -> list[str]:
    """Return the CPU flags that the set's packages are compiled for and this CPU is known to lack."""
    host = case.host
    if host.cpu_flags is None:
        return []
    # Of any release: a newer one upstream moves no host to another class.
    releases = [release for name in solution.pins for release in case.catalogue.packages[name].releases]
    wanted = {flag for release in releases for flag in case.catalogue.cpu_flags(release, host.machine or "")}
    return sorted(case.catalogue.missing_flags(wanted, host.cpu_flags))


def _own_bands(found: Attempt, solution: Solution) -> list[str]:
    """Return the ranges of Python that this patch release is outside of, and its minor version is not."""
    python, catalogue = found.best.python, found.best.world.catalogue
    bands = {
        release.requires_python for name in solution.pins for release in catalogue.packages[name].releases
    }
    minor = [f"{dotted(python.minor)}.{patch}" for patch in (0, _LAST_PATCH)]
    return sorted(
        band
        for band in bands
        if band
        and not specifier(band).contains(dotted(python.version), prereleases=True)
        and any(specifier(band).contains(other) for other in minor)
    )
