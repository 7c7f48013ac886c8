"""What all rules say about a package's releases for one way to use a host, each asked once per key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ...whisperx_catalogue.catalogue import Package
from ..case import Target
from ..findings import Finding
from .table import KEYS, RULES, Rule

__all__ = ["Verdicts", "verdicts"]


@dataclass(frozen=True)
class Verdicts:
    """What the rules say about one package's releases: per release, and per rule the set it hits."""

    said: Mapping[int, tuple[Finding, ...]]
    hits: Mapping[str, int]

    def blocked(self, cures: frozenset[str]) -> int:
        """Return the set of releases that some rule outside of ``cures`` hits."""
        mask = 0
        for name, hit in self.hits.items():
            if name not in cures:
                mask |= hit
        return mask


def verdicts(package: Package, target: Target) -> Verdicts:
    """Ask every rule about every release of a package; answers are kept in the catalogue's scratch."""
    scratch = target.catalogue.scratch
    parts = []
    for group, key in KEYS.items():
        place = ("rules", package.name, group, key(target, package.name))
        if place not in scratch:
            scratch[place] = _ask(RULES[group], package, target)
        parts.append(scratch[place])
    whole = ("verdicts", *map(id, parts))
    if whole not in scratch:
        scratch[whole] = _joined(parts)
    found: Verdicts = scratch[whole]
    return found


def _ask(rules: Iterable[Rule], package: Package, target: Target) -> Verdicts:
    said: dict[int, tuple[Finding, ...]] = {}
    hits: dict[str, int] = {}
    for release in package.releases:
        for function in rules:
            answer = function(release, target)
            if answer is not None:
                said[release.index] = (*said.get(release.index, ()), answer)
                hits[answer.rule] = hits.get(answer.rule, 0) | release.bit
    return Verdicts(said, hits)


def _joined(parts: Iterable[Verdicts]) -> Verdicts:
    said: dict[int, tuple[Finding, ...]] = {}
    hits: dict[str, int] = {}
    for part in parts:
        for index, found in part.said.items():
            said[index] = said.get(index, ()) + found
        for name, hit in part.hits.items():
            hits[name] = hits.get(name, 0) | hit
    return Verdicts(said, hits)
