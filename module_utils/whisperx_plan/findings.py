"""What the decision says of releases, interpreters and GPUs; the words around it are rows."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Finding", "finding"]


@dataclass(frozen=True)
class Finding:
    """What a rule says against a release, an interpreter or the GPU. ``words`` fill the rule's templates."""

    rule: str
    found: str
    words: tuple[tuple[str, str], ...] = ()
    variant: str = ""


def finding(rule: str, found: str, variant: str = "", **words: str) -> Finding:
    """Return a Finding; the words become hashable."""
    return Finding(rule, found, tuple(sorted(words.items())), variant)
