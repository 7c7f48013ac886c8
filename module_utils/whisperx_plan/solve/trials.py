"""Trying a host: over its interpreters and the remedies allowed, the newest set for one device."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ...whisperx_catalogue.catalogue import Catalogue
from ..case import Case, Target
from ..findings import Finding
from ..host import Interpreter
from ..model import SYSTEM, Request
from ..pythons import usable_of
from .candidates import World
from .resolver import Conflict, Solution, resolve

__all__ = ["Attempt", "Trial", "attempt"]


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
    """Return the best that one device can give, None if there is no interpreter to use.

    A source of interpreters is tried only if none of those before it has one that serves.
    """
    request = case.request
    tried: list[Trial] = []
    refused: tuple[tuple[Interpreter, Finding], ...] = ()
    for source in request.interpreters:
        pythons, unusable = usable_of(case, source)
        remedy, trials = _tried(case, device, pythons)
        solved = [trial for trial in trials if isinstance(trial.result, Solution)]
        if solved:
            best = max(solved, key=lambda trial: (_quality(trial, request), trial.python.minor))
            # Of the builds that could be installed only the one that will be is worth a word.
            trials, unusable = (trials, unusable) if source == SYSTEM else ([best], ())
            return Attempt(device, best, (*tried, *trials), remedy, (*refused, *unusable))
        refused += unusable
        tried += trials
    return Attempt(device, _closest(tried, request), tuple(tried), None, refused) if tried else None


def _tried(case: Case, device: str, pythons: list[Interpreter]) -> tuple[str | None, list[Trial]]:
    """Return the first remedy with which any interpreter serves, and all trials with it; else those without
    a remedy.
    """
    first: list[Trial] = []
    for remedy, cures in _modes(case.request, case.catalogue):
        worlds = [World(Target(case, device, python), cures) for python in pythons]
        trials = [Trial(world, resolve(world)) for world in worlds]
        if any(isinstance(trial.result, Solution) for trial in trials):
            return remedy, trials
        first = first or trials
    return None, first


def _quality(trial: Trial, request: Request) -> tuple[int, ...]:
    if not isinstance(trial.result, Solution):
        raise AssertionError("only what was solved has a quality")
    return trial.result.quality(request.packages)


def _closest(trials: list[Trial], request: Request) -> Trial:
    """Return the trial that tells most: the interpreter that most of the releases asked for can run on."""

    def nearness(trial: Trial) -> tuple[int, bool, tuple[int, ...]]:
        world = trial.world
        fitting = sum((world.passing[name] & world.asked[name]).bit_count() for name in request.packages)
        return fitting, trial.python.archive is None, trial.python.minor

    return max(trials, key=nearness)
