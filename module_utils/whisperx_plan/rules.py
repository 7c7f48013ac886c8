"""The rules: one small function each, asked of every release for one way to use a host. Words and numbers
are rows.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ..whisperx_catalogue.catalogue import Catalogue, Package
from ..whisperx_catalogue.release import Release
from .host import Host, Interpreter
from .model import Request

__all__ = ["Finding", "RuleFunction", "Target", "Verdicts", "finding", "load_rules", "rule", "verdicts"]


@dataclass(frozen=True)
class Target:
    """One way to use a host: the device, an interpreter, and what was asked for."""

    host: Host
    device: str
    python: Interpreter
    request: Request

    @property
    def gates(self) -> bool:
        """Whether what is not known is left to the ABI gate and the pipeline."""
        return self.request.unknown == "gate"


@dataclass(frozen=True)
class Finding:
    """What a rule says against a release, an interpreter or the GPU. ``words`` fill the rule's templates."""

    rule: str
    found: str
    words: tuple[tuple[str, str], ...] = ()
    variant: str = ""


RuleFunction: TypeAlias = Callable[[Release, Target, Catalogue], Finding | None]

# What of a target the rules of a group look at: rules of one group are asked once per such key.
_KEYS: dict[str, Callable[[Target, str], Hashable]] = {
    "release": lambda target, package: target.request.packages.get(package, ""),
    "libc": lambda target, _: (
        target.host.machine,
        target.host.libc_family,
        target.host.libc_version,
        target.gates,
    ),
    "cpu": lambda target, _: (target.host.machine, target.host.cpu_flags),
    "gpu": lambda target, _: (
        target.host.machine,
        target.host.libc_family,
        target.device,
        target.gates,
        (target.host.gpus, target.host.driver) if target.device == "cuda" else None,
    ),
    "python": lambda target, _: (
        target.python.version,
        target.host.machine,
        target.host.libc_family,
        target.host.libc_version,
    ),
}
_RULES: dict[str, list[RuleFunction]] = {group: [] for group in _KEYS}


def finding(rule: str, found: str, variant: str = "", **words: str) -> Finding:
    """Return a Finding; the words become hashable."""
    return Finding(rule, found, tuple(sorted(words.items())), variant)


def rule(group: str) -> Callable[[RuleFunction], RuleFunction]:
    """Register a rule. It may look only at what the key of its group holds, and at the release itself."""

    def register(function: RuleFunction) -> RuleFunction:
        _RULES[group].append(function)
        return function

    return register


def load_rules() -> None:
    """Import the modules that hold the rules."""
    from . import rules_gpu, rules_libc, rules_release  # noqa: F401  # importing registers them


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


def verdicts(package: Package, target: Target, catalogue: Catalogue) -> Verdicts:
    """Ask every rule about every release of a package; answers are kept in the catalogue's scratch."""
    parts = []
    for group, key in _KEYS.items():
        place = ("rules", package.name, group, key(target, package.name))
        if place not in catalogue.scratch:
            catalogue.scratch[place] = _ask(_RULES[group], package, target, catalogue)
        parts.append(catalogue.scratch[place])
    whole = ("verdicts", *map(id, parts))
    if whole not in catalogue.scratch:
        catalogue.scratch[whole] = _joined(parts)
    found: Verdicts = catalogue.scratch[whole]
    return found


def _ask(rules: Iterable[RuleFunction], package: Package, target: Target, catalogue: Catalogue) -> Verdicts:
    said: dict[int, tuple[Finding, ...]] = {}
    hits: dict[str, int] = {}
    for release in package.releases:
        for function in rules:
            answer = function(release, target, catalogue)
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
