"""Trying a host: over its interpreters and the remedies allowed, the newest set for one device."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ...whisperx_catalogue.catalogue import Catalogue
from ...whisperx_catalogue.rows import Distro
from ...whisperx_common.versions import strict_numbers
from ..case import Case, Target
from ..findings import Finding, finding
from ..host import Interpreter
from ..model import Request
from .candidates import World
from .resolver import Conflict, Solution, resolve

__all__ = ["Attempt", "Trial", "attempt", "distutils_package", "lacks_distutils", "usable_pythons"]


@dataclass(frozen=True)
class Trial:
    """One interpreter tried: what was known of the releases there, and what came out."""

    world: World
    result: Solution | Conflict

    @property
    def python(self) -> Interpreter:
        """The interpreter."""
        return self.world.target.python


@dataclass(frozen=True)
class Attempt:
    """The best of the trials of one device. ``remedy``: "repair" or "tunable" where one was needed."""

    device: str
    best: Trial
    trials: tuple[Trial, ...]
    remedy: str | None = None
    refused: tuple[tuple[Interpreter, Finding], ...] = field(default=())

    @property
    def solution(self) -> Solution | None:
        """The set, if there is one."""
        return self.best.result if isinstance(self.best.result, Solution) else None


def usable_pythons(
    case: Case,
) -> tuple[list[Interpreter], tuple[tuple[Interpreter, Finding], ...]]:
    """Return one interpreter per minor version, and those ruled out as such with what was found."""
    catalogue = case.catalogue
    reserved = tuple(catalogue.threshold("python.platform", "paths"))
    refused: list[tuple[Interpreter, Finding]] = []
    best: dict[tuple[int, ...], Interpreter] = {}
    for python in sorted(case.host.pythons, key=_preference):
        if python.path.startswith(reserved):
            refused.append((python, finding("python.platform", python.path)))
        elif python.weakness is not None:
            refused.append((python, finding("python.untrusted", f"{python.path}: {python.weakness}")))
        elif not python.shared:
            refused.append((python, finding("python.private", python.path)))
        elif lacks_distutils(python, catalogue) and distutils_package(python, case.distro) is None:
            refused.append(
                (
                    python,
                    finding(
                        "python.distutils",
                        "no distutils",
                        before=str(catalogue.threshold("python.distutils", "before")),
                    ),
                )
            )
        else:
            best.setdefault(python.minor, python)
    return [best[minor] for minor in sorted(best, reverse=True)], tuple(refused)


def lacks_distutils(python: Interpreter, catalogue: Catalogue) -> bool:
    """Say whether an interpreter lacks distutils and is so old that the installer asks it for that."""
    before = strict_numbers(str(catalogue.threshold("python.distutils", "before"))) or ()
    return not python.distutils and python.minor < before


def distutils_package(python: Interpreter, distro: Distro | None) -> str | None:
    """Return the distribution's package that completes its own interpreter, if there is one."""
    own = python.path.startswith("/usr/bin/") and distro is not None and distro.python == python.minor
    return distro.distutils if own and distro is not None else None


def _preference(python: Interpreter) -> tuple[int, tuple[int, ...], str]:
    """The distribution's own first, then the newest patch release."""
    places = ("/usr/bin/", "/usr/local/bin/")
    place = next(
        (number for number, prefix in enumerate(places) if python.path.startswith(prefix)), len(places)
    )
    return place, tuple(-part for part in python.version), python.path


def _modes(request: Request, catalogue: Catalogue) -> Iterable[tuple[str | None, frozenset[str]]]:
    """Return the remedies to try, each with the rules it makes harmless: first none, then in the order
    asked for.
    """
    yield None, frozenset()
    for kind in request.remedies:
        cured = frozenset(row.id for row in catalogue.rows.rules.values() if kind in row.cures)
        if cured:
            yield kind, cured


def attempt(case: Case, device: str) -> Attempt | None:
    """Return the best that one device can give, None if the host has no interpreter to use."""
    pythons, refused = usable_pythons(case)
    if not pythons:
        return None
    first: Attempt | None = None
    request = case.request
    for remedy, cures in _modes(request, case.catalogue):
        trials = []
        for python in pythons:
            world = World(Target(case, device, python), cures)
            trials.append(Trial(world, resolve(world)))
        solved = [trial for trial in trials if isinstance(trial.result, Solution)]
        if solved:
            best = max(solved, key=lambda trial: (_quality(trial, request), trial.python.minor))
            return Attempt(device, best, tuple(trials), remedy, refused)
        if first is None:
            first = Attempt(device, _closest(trials, request), tuple(trials), None, refused)
    return first


def _quality(trial: Trial, request: Request) -> tuple[int, ...]:
    assert isinstance(trial.result, Solution)
    return trial.result.quality(request.packages)


def _closest(trials: list[Trial], request: Request) -> Trial:
    """Return the trial that tells most: the interpreter that most of the releases asked for can run on."""

    def nearness(trial: Trial) -> tuple[int, tuple[int, ...]]:
        world = trial.world
        return sum(
            (world.passing[name] & world.asked[name]).bit_count() for name in request.packages
        ), trial.python.minor

    return max(trials, key=nearness)
