"""The records of an audit of a managed environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Mapping, Tuple

from ..whisperx_common.conditions import DRIFTED

__all__ = ["BREAKS", "DRIFTED", "Asked", "Item"]

# The weight of a difference: the environment may still work, or it does not fit.
BREAKS = "breaks"


@dataclass(frozen=True)
class Asked:
    """What an audit is asked.

    ``hashes``: compare the contents of every file, not only of those changed since. ``libc`` and ``driver``
    are pending versions, "" for the present ones; ``plan`` is what the planner decides for the host with
    them, {} when it was not asked.
    """

    root: str
    hashes: bool
    libc: str
    driver: str
    plan: Mapping[str, object]


@dataclass(frozen=True)
class Item:
    """One difference. ``rule`` is a stable id, ``what`` the part of the host in a word or two."""

    rule: str
    weight: str
    what: str
    sentence: str
    remedy: str = ""
    names: Tuple[str, ...] = ()

    def record(self) -> Dict[str, object]:
        """Return plain data."""
        return {
            "rule": self.rule,
            "weight": self.weight,
            "what": self.what,
            "sentence": self.sentence,
            "remedy": self.remedy,
            "names": list(self.names),
        }
