"""What has to change in a store, from a listing and the wanted set. Pure: the controller predicts with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, List, Mapping, Tuple

from .model import Wanted

__all__ = ["Decision", "decide", "described"]

_SHORT = 12  # characters of a revision


@dataclass(frozen=True)
class Decision:
    """``actions``: what is done, a sentence each; ``missing``: SHA-256 to size of files that are not there.

    ``before`` and ``after``: model to revision.
    """

    actions: Tuple[str, ...] = ()
    missing: Mapping[str, int] = field(default_factory=dict)
    before: Mapping[str, str] = field(default_factory=dict)
    after: Mapping[str, str] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """The bytes that are missing."""
        return sum(self.missing.values())


def decide(listing: Mapping[str, Any], wanted: Wanted) -> Decision:
    """Return what has to be done for ``wanted`` in a store as ``listing`` (of `look`) has it."""
    there = set(listing["files"])
    missing = {name: size for name, size in wanted.contents.items() if name not in there}
    before, after = dict(listing["models"]), dict(wanted.models)
    switches = listing["current"] != wanted.identity
    actions: List[str] = []
    if switches:
        actions += _differences(before, after)
        if not actions:
            actions.append("Placed the models again, under other names")
    elif missing or (wanted.identity and not listing["whole"]):
        actions.append("Repaired models whose files were changed or removed")
    if not actions and (listing["spare"] or listing["loose"]):
        actions.append("Removed files of models that nothing uses any more")
    return Decision(tuple(actions), missing, before, after)


def described(models: Mapping[str, str]) -> str:
    """Return the models of a set, one a line, for Ansible's diff."""
    return "".join("{}=={}\n".format(name, revision) for name, revision in sorted(models.items()))


def _differences(before: Mapping[str, str], after: Mapping[str, str]) -> List[str]:
    found = []
    for name, revision in after.items():
        if name not in before:
            found.append("Placed the model {}, revision {}".format(name, revision[:_SHORT]))
        elif before[name] != revision:
            found.append(
                "Moved the model {} from revision {} to {}".format(
                    name, before[name][:_SHORT], revision[:_SHORT]
                )
            )
    return found + ["Removed the model {}".format(name) for name in before if name not in after]
