"""Whether a lock still fits a plan, and if not, which of its entries does not and why. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ..whisperx_common.lockfile import Lock
from ..whisperx_common.names import normalise
from ..whisperx_common.standalone import Archive, of
from ..whisperx_common.versions import numbers
from ..whisperx_libraries import InvalidRequirement, InvalidSpecifier, Requirement, SpecifierSet, Version
from ..whisperx_problem import Problem

__all__ = [
    "archive_of",
    "best_fit",
    "extras_of",
    "fitted",
    "misfits",
    "pins_of",
    "request_of",
    "specifier",
    "torch_build_of",
]

_EQUAL = (("platform", "platform"), ("python", "python"), ("device", "device"))


def misfits(lock: Lock, plan: Mapping[str, Any]) -> tuple[str, ...]:
    """Return one sentence per thing in which ``lock`` does not satisfy ``plan``; empty when it fits.

    A lock that took torch's default build because the index of the CPU build was out of reach still fits.
    """
    found = [
        f"{key} is {lock.header[key]}, the host needs {plan[entry]}"
        for key, entry in _EQUAL
        if lock.header[key] != str(plan[entry])
    ]
    locked = json.loads(lock.header["request"])
    wanted = request_of(plan)
    if set(locked) != set(wanted):
        found.append(f"it was made for {_names(locked)}, asked for is {_names(wanted)}")
    had, extras = {extra.name for extra in lock.extras}, set(extras_of(plan))
    if had != extras:
        found.append(f"its extras are {_names(had)}, asked for are {_names(extras)}")
    builds = {str(plan.get("torch_build") or "")}
    if plan.get("torch_build") == "cpu":
        builds.add(str(plan.get("default_torch_build") or "cpu"))
    if lock.header["torch-build"] not in builds:
        has, needs = lock.header["torch-build"] or "none", plan.get("torch_build") or "none"
        found.append(f"torch's build is {has}, the host needs {needs}")
    python = _python_misfit(lock, plan)
    found.extend([python] if python else [])
    found.extend(_version_misfits(_versions(lock, plan), plan, wanted))
    repaired = {package.name for package in lock.packages if package.origin.startswith("repaired:")}
    repairs = {normalise(str(entry["package"])) for entry in plan.get("repairs") or ()} & set(lock.versions)
    if repaired != repairs:
        found.append(f"repaired are {_names(repaired)}, the host needs {_names(repairs)} repaired")
    found.extend(_site_misfits(lock, plan))
    return tuple(found)


def _versions(lock: Lock, plan: Mapping[str, Any]) -> dict[str, str]:
    """Return the versions that specifiers compare: of a wheel of the user that was repaired, its own.

    The label of the repaired one has a further part, which PEP 440 takes for another build.
    """
    rows = {f"repaired:{row['sha256']}": str(row["version"]) for row in plan.get("wheels") or ()}
    return {package.name: rows.get(package.origin, package.version) for package in lock.packages}


def _site_misfits(lock: Lock, plan: Mapping[str, Any]) -> Iterable[str]:
    """Yield where the user's own wheels are not those that the plan has. A plan that takes one is a request:
    the index's gives way to it, also where it runs too.
    """
    rows = [(normalise(str(row["package"])), row) for row in plan.get("wheels") or ()]
    given = {(name, str(row["version"])) for name, row in rows}
    digests = {f"repaired:{row['sha256']}" for _name, row in rows}
    pins = pins_of(plan)
    for package in lock.packages:
        mine = package.origin == "site" or package.origin in digests
        subject = f"{package.name} {package.version}"
        if package.origin == "site" and (package.name, package.version) not in given:
            yield f"{subject} is a wheel that whisperx_plan_wheels does not have for the host"
        elif not mine and (package.name, pins.get(package.name)) in given:
            yield f"{subject} gives way to {pins[package.name]} of whisperx_plan_wheels"


def best_fit(locks: Mapping[str, Lock], plan: Mapping[str, Any]) -> str | None:
    """Return the name of the best of ``locks`` that fit ``plan`` and have its very request; else None.

    Best is the newest in the requested packages, then in all that the plan pins, then the first by name.
    """
    wanted = request_of(plan)
    fitting = [
        name
        for name, lock in sorted(locks.items())
        if json.loads(lock.header["request"]) == wanted
        and {extra.name: extra.specifier for extra in lock.extras} == extras_of(plan)
        and not misfits(lock, plan)
    ]
    if not fitting:
        return None

    def rank(name: str) -> tuple[tuple[Version, ...], tuple[Version, ...]]:
        versions = locks[name].versions
        pinned = sorted(pins_of(plan))
        return (
            tuple(Version(versions[entry]) for entry in sorted(wanted)),
            tuple(Version(versions.get(entry, "0")) for entry in pinned),
        )

    return max(fitting, key=rank)


def archive_of(plan: Mapping[str, Any]) -> Archive | None:
    """Return the archive that a plan names, None for a plan with the host's own Python.

    Raises Problem ("lock.plan") for one that pins nothing.
    """
    record = plan.get("python_archive")
    if not record:
        return None
    try:
        return of(record)
    except ValueError as error:
        raise Problem(
            "lock.plan",
            f"the plan's managed Python pins nothing: {error}",
            "python_archive",
            "version, build, machine, libc, file and SHA-256 of an archive",
            "Correct the catalogue's row in interpreters.yml.",
        ) from None


def _python_misfit(lock: Lock, plan: Mapping[str, Any]) -> str:
    """Return why the Python of a lock is not for the hosts of a plan, "" when it is."""
    wanted, locked = archive_of(plan), lock.archive
    if wanted is None or locked is None:
        if wanted is None and locked is None:
            return ""
        return "it has a managed Python, the host has its own" if locked else "it has no managed Python"
    if (locked.minor, locked.machine) != (wanted.minor, wanted.machine):
        return f"its Python is {locked.key}, the host needs {wanted.key}"
    family, _separator, oldest = locked.libc.partition(" ")
    libc = plan.get("libc") or {}
    found = str(libc.get("version") or "0")
    if family != libc.get("family") or numbers(oldest) > numbers(found):
        return f"its Python needs {locked.libc}, the host has {libc.get('family')} {found}"
    return ""


def fitted(lock: Lock, plan: Mapping[str, Any]) -> Lock:
    """Return a lock of another class with the Python of this one: the packages are for any build of it."""
    wanted = archive_of(plan)
    if not _python_misfit(lock, plan):
        return lock
    header = {key: value for key, value in lock.header.items() if key != "python-archive"}
    return Lock({**header, **({"python-archive": wanted.line()} if wanted else {})}, lock.packages)


def request_of(plan: Mapping[str, Any]) -> dict[str, str]:
    """Return the plan's request with normalised names, sorted."""
    return {normalise(name): str(spec or "") for name, spec in sorted(plan["request"].items())}


def extras_of(plan: Mapping[str, Any]) -> dict[str, str]:
    """Return the plan's further packages with normalised names, sorted."""
    return {normalise(name): str(spec or "") for name, spec in sorted((plan.get("extras") or {}).items())}


def pins_of(plan: Mapping[str, Any]) -> dict[str, str]:
    """Return the plan's pins with normalised names."""
    return {normalise(name): str(version) for name, version in (plan.get("pins") or {}).items()}


def torch_build_of(versions: Mapping[str, str], plan: Mapping[str, Any]) -> str:
    """Return the build of torch in ``versions``: its local version, else the default; empty without torch."""
    if "torch" not in versions:
        return ""
    return Version(versions["torch"]).local or str(
        plan.get("default_torch_build") or plan.get("torch_build") or ""
    )


def specifier(text: str, where: str) -> SpecifierSet:
    """Return a PEP 440 specifier. Raises Problem ("lock.plan")."""
    try:
        return SpecifierSet(text)
    except InvalidSpecifier:
        raise _odd(text, where) from None


def _version_misfits(
    versions: Mapping[str, str], plan: Mapping[str, Any], wanted: Mapping[str, str]
) -> Iterable[str]:
    constraints = {normalise(name): str(text) for name, text in (plan.get("constraints") or {}).items()}
    for name in sorted(set(wanted) - set(versions)):
        yield f"{name} is not in it"
    for name, version in sorted(versions.items()):
        for kind, rules in (("asked for is", wanted), ("works on the host", constraints)):
            text = rules.get(name, "")
            if text and not specifier(text, name).contains(version, prereleases=True):
                yield f"{name} {version}: {kind} {text}"
    for name in sorted(set(versions) & {normalise(str(name)) for name in plan.get("left_out") or ()}):
        yield f"{name} is in it, the host does without"
    for line in plan.get("requirements") or ():
        requirement = _requirement(line)
        name = normalise(requirement.name)
        if name in wanted:
            continue
        if name not in versions:
            yield f"{name} is not in it, the host needs {line}"
        elif name not in (plan.get("pins") or {}) and not requirement.specifier.contains(
            versions[name], True
        ):
            yield f"{name} {versions[name]}: the host needs {line}"


def _requirement(line: str) -> Requirement:
    try:
        return Requirement(line)
    except InvalidRequirement:
        raise _odd(line, "requirements") from None


def _odd(text: str, where: str) -> Problem:
    return Problem(
        "lock.plan",
        f"'{text}' is not understood",
        where,
        "a requirement or specifier of PEP 440/508",
        "Correct it.",
    )


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
