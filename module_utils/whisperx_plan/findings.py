"""What the decision looks at and says: one way to use a host, and a finding against it. Words and numbers are
rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from ..whisperx_catalogue.catalogue import Catalogue
from ..whisperx_catalogue.release import Release
from .host import Host, Interpreter
from .model import Request

__all__ = ["Finding", "Rule", "Target", "finding"]


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


Rule: TypeAlias = Callable[[Release, Target, Catalogue], Finding | None]


def finding(rule: str, found: str, variant: str = "", **words: str) -> Finding:
    """Return a Finding; the words become hashable."""
    return Finding(rule, found, tuple(sorted(words.items())), variant)
