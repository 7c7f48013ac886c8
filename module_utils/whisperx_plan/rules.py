"""The rules: one small function each, asked of every release for one way to use a host. Words and numbers
are rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from .catalogue import Catalogue
from .host import Host, Interpreter
from .model import Request
from .release import Release

__all__ = [
    "Finding",
    "RuleFunction",
    "Target",
    "finding",
    "findings",
    "host_rule",
    "load_rules",
    "python_rule",
]


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

_HOST_RULES: dict[str, RuleFunction] = {}
_PYTHON_RULES: dict[str, RuleFunction] = {}


def finding(rule: str, found: str, variant: str = "", **words: str) -> Finding:
    """Return a Finding; the words become hashable."""
    return Finding(rule, found, tuple(sorted(words.items())), variant)


def host_rule(function: RuleFunction) -> RuleFunction:
    """Register a rule that does not look at the interpreter."""
    _HOST_RULES[function.__name__] = function
    return function


def python_rule(function: RuleFunction) -> RuleFunction:
    """Register a rule that looks at the interpreter."""
    _PYTHON_RULES[function.__name__] = function
    return function


def load_rules() -> None:
    """Import the modules that hold the rules."""
    from . import rules_gpu, rules_libc, rules_release  # noqa: F401  # importing registers them


def findings(
    releases: Iterable[Release],
    target: Target,
    catalogue: Catalogue,
    known: dict[int, tuple[Finding, ...]],
) -> dict[int, tuple[Finding, ...]]:
    """Return what the rules say against each release, by its id(). ``known`` keeps the part without
    interpreter.
    """
    found = {}
    for release in releases:
        key = id(release)
        if key not in known:
            known[key] = _ask(_HOST_RULES.values(), release, target, catalogue)
        found[key] = known[key] + _ask(_PYTHON_RULES.values(), release, target, catalogue)
    return found


def _ask(
    rules: Iterable[RuleFunction], release: Release, target: Target, catalogue: Catalogue
) -> tuple[Finding, ...]:
    return tuple(said for rule in rules if (said := rule(release, target, catalogue)) is not None)
