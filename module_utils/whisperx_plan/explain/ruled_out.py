"""Which releases the answer leaves out, and what is to be said of each: rules, wishes of others, the chosen
set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ...whisperx_catalogue.release import Release
from ...whisperx_common.versions import dotted
from ..case import Case
from ..findings import Finding, finding
from ..gpu.names import ways
from ..host import Interpreter
from ..model import MANAGED
from ..solve.candidates import World
from ..solve.dependencies import Need
from ..solve.resolver import Solution
from ..solve.trials import Attempt, Trial
from .sentences import Spoken, first_said, say

__all__ = [
    "SUPPORT_RANK",
    "admitted",
    "conflict_of",
    "managed_finding",
    "python_findings",
    "refused_releases",
    "ruled_out",
]

# From this rank on a package only supports the others: of it, only what keeps a newer version away is told.
SUPPORT_RANK = 10
_QUIET = "release.prerelease"


def admitted(world: World, pins: Mapping[str, Release]) -> dict[str, int]:
    """Return, per package of the set, the releases that could stand in it: viable, and as the others want
    it.
    """
    masks = {name: world.viable[name] for name in pins}
    for release in pins.values():
        for need in world.needs(release):
            if need.name in masks:
                masks[need.name] &= need.mask
    return masks


def ruled_out(world: World, pins: Mapping[str, Release]) -> Iterator[Spoken]:
    """Yield what is to be said of every release of the set's packages that the constraints leave out."""
    masks = admitted(world, pins)
    for name, pin in pins.items():
        package = world.catalogue.packages[name]
        support = world.catalogue.info(name).rank >= SUPPORT_RANK
        out = package.everything & ~masks[name] & world.asked.get(name, package.everything)
        for release in package.members(out):
            dull = release.yanked is not None and name not in world.target.request.packages
            if dull or (support and release.index < pin.index):
                continue
            yield from _of_release(world, release, pins)


def _of_release(world: World, release: Release, pins: Mapping[str, Release]) -> Iterator[Spoken]:
    said = world.blocking(release)
    quiet = [found for found in said if found.rule == _QUIET]
    if quiet:
        if release.package in world.target.request.packages:
            yield release, quiet[0]
    elif said:
        yield from ((release, found) for found in said)
    elif id(release) in world.failed:
        yield release, _unmet(world, release, world.failed[id(release)])
    else:
        need = _in_the_way(world, release, pins)
        if need is not None and need.parent is not None:
            parent = need.parent.subject
            words = {"parent": parent, "need": _words(need)}
            if need.why:
                yield release, finding("plan.amendment", parent, **words, why=need.why, evidence=need.source)
            else:
                yield release, finding("plan.set", parent, **words)


def _in_the_way(world: World, release: Release, pins: Mapping[str, Release]) -> Need | None:
    for other in pins.values():
        for need in world.needs(other):
            if need.name == release.package and not need.mask & release.bit:
                return need
    return None


def _words(need: Need) -> str:
    if need.soname is not None:
        return f"a {need.name} that leaves room for {need.soname.name}"
    return f"{need.name}{need.text}" if need.text else need.name


def _unmet(world: World, release: Release, need: Need) -> Finding:
    """Say why a release's wish cannot be met on this host."""
    if need.soname is not None:
        return finding("soname.collision", need.soname.name, soname=need.soname.name)
    package = world.catalogue.packages[need.name]
    asked = world.request_text(need.name)
    variant, because = "", f"no version of {need.name} that fits it can be part of a set here"
    if not need.mask:
        because = f"the catalogue has no {need.name} like that"
    elif asked and not need.mask & world.asked[need.name]:
        variant, because = "asked", f"you asked for {need.name}{asked}"
    else:
        newest = package.members(need.mask & world.asked.get(need.name, package.everything))[0]
        found = first_said(world.blocking(newest), world.catalogue)
        if found is not None:
            because = say(found, newest, world.catalogue)
        elif id(newest) in world.failed and world.failed[id(newest)].name != release.package:
            deeper = world.failed[id(newest)]
            because = f"{newest.subject} in turn wants {_words(deeper)}, which cannot be had here"
    return finding(
        "plan.requirement",
        because,
        variant=variant,
        parent=release.subject,
        parent_package=release.package,
        package=need.name,
        need=_words(need),
        need_specifier=need.text,
        because=because,
    )


def refused_releases(world: World) -> Iterator[Spoken]:
    """Yield, for a host without a set, what is said of the releases asked for and of those they want."""
    todo = [(name, world.asked[name]) for name in world.target.request.packages]
    seen: set[str] = set()
    while todo:
        name, mask = todo.pop(0)
        if name in seen:
            continue
        seen.add(name)
        package = world.catalogue.packages[name]
        for release in package.members(mask):
            yield from _of_release(world, release, {})
        for release in package.members(mask):
            need = world.failed.get(id(release))
            if need is not None:
                todo.append((need.name, need.mask & world.asked.get(need.name, need.mask)))
                break


def conflict_of(needs: Iterable[Need]) -> Finding | None:
    """Return what wishes that exclude each other say."""
    newest: dict[tuple[str, str], Need] = {}
    for need in needs:
        key = (need.parent.package if need.parent is not None else "", need.name)
        known = newest.get(key)
        if known is None or (need.parent and known.parent and known.parent.index < need.parent.index):
            newest[key] = need
    parts = []
    for _name, need in sorted(newest.items()):
        who = f"{need.parent.subject} wants" if need.parent is not None else "you asked for"
        parts.append(f"{who} {_words(need)}")
    said = ", ".join(parts)
    return finding("plan.conflict", said, conflict=said) if said else None


def python_findings(chosen: Attempt) -> Iterator[tuple[Interpreter, Finding]]:
    """Yield why the other interpreters were not taken, where they could not have been."""
    yield from chosen.refused
    for trial in chosen.trials:
        if trial is chosen.best or isinstance(trial.result, Solution):
            continue
        why = _why_unfit(trial)
        if why:
            name = next(iter(trial.world.target.request.packages), "")
            yield (
                trial.python,
                finding("python.unfit", f"Python {dotted(trial.python.minor)}", why=why, package=name),
            )


def managed_finding(case: Case, chosen: Attempt) -> Finding | None:
    """Return why the plan installs an interpreter, None where it uses one of the host."""
    row = chosen.best.python.archive
    if row is None:
        return None
    has = ways(sorted({f"Python {dotted(python.minor)}" for python in case.host.pythons}))
    has = has or "no Python"
    because = f"no interpreter of the host serves the packages ({has})"
    if case.request.interpreters[0] == MANAGED:
        because = "whisperx_plan_interpreters prefers it"
    return finding("python.managed", has, build=row.build, because=because, evidence=row.source)


def _why_unfit(trial: Trial) -> str:
    world = trial.world
    for name in world.target.request.packages:
        for release in world.catalogue.packages[name].members(world.asked[name]):
            if release.version.is_prerelease:
                continue
            said = first_said(world.blocking(release), world.catalogue)
            if said is not None:
                return say(said, release, world.catalogue)
            if id(release) in world.failed:
                return say(_unmet(world, release, world.failed[id(release)]), release, world.catalogue)
    return ""
