"""Why a play has no hosts: what was found of the inventory, and the next step."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..whisperx_common.wording import named
from ..whisperx_problem import Problem

__all__ = ["Source", "refuse_empty", "refuse_unread"]

_WANTED = "at least one host to work on"
_NAMES = 5


@dataclass(frozen=True)
class Source:
    """An inventory source: a file, a directory or a list of hosts.

    ``name``: as it was given. ``there``: whether it is a list of hosts or exists. ``unread``: why it could
    not be parsed, "" if it was.
    """

    name: str
    there: bool = True
    unread: str = ""


def refuse_unread(sources: Sequence[Source]) -> None:
    """Raise Problem "preflight.inventory" for a source that does not exist or that cannot be parsed.

    Ansible only warns of these, and continues with the hosts of the other sources, or with none.
    """
    for source in sources:
        if not source.there:
            raise Problem(
                "preflight.inventory",
                f"The inventory {source.name} does not exist",
                "-i, with make INVENTORY=",
                "a file, a directory, or a list of hosts with a comma in it, such as web1,",
                "Correct the path.",
            )
        if source.unread:
            raise Problem(
                "preflight.inventory",
                f"The inventory {source.name} cannot be parsed: {source.unread}",
                "-i, with make INVENTORY=",
                "an inventory as Ansible reads it",
                f"Correct it until `ansible-inventory -i {source.name} --list` shows its hosts.",
            )


def refuse_empty(
    sources: Sequence[str], pattern: str, limit: str | None, groups: Mapping[str, Sequence[str]]
) -> None:
    """Raise Problem "preflight.no-hosts", which says why no host of the inventory is meant.

    ``sources``: names of the inventory sources. ``pattern``: the hosts of the play (``whisperx_hosts``).
    ``limit``: the value of ``--limit``, None without it. ``groups``: group to its hosts.
    """
    if not groups.get("all"):
        found = f"The inventory has no hosts{_empty_groups(groups)}"
        place = " ".join(f"-i {name}" for name in sources)
        remedy = "Add hosts to it, or name another inventory with -i."
    elif pattern in groups and not limit:
        found, place = f"The group {pattern} has no hosts", f"whisperx_hosts: {pattern}"
        remedy = "Add hosts to the group, or name another one."
    else:
        found = f"None of the inventory's hosts ({len(groups['all'])}) is meant"
        asked = {"whisperx_hosts:": pattern if pattern != "all" or not limit else "", "--limit": limit or ""}
        place = ", ".join(f"{option} {value}" for option, value in asked.items() if value)
        remedy = _instead([value for value in asked.values() if value], groups)
    raise Problem("preflight.no-hosts", found, place, _WANTED, remedy)


def _instead(asked: Sequence[str], groups: Mapping[str, Sequence[str]]) -> str:
    """Return the next step for patterns that mean no host together: what was meant, or what there is."""
    known = [name for name in (*groups, *groups["all"]) if name not in ("all", "ungrouped")]
    close = [difflib.get_close_matches(name, known, 1) for name in asked if name not in (*known, "all")]
    meant = [names[0] for names in close if names]
    if meant:
        return f"Did you mean {', '.join(meant)}?"
    if len(asked) > 1:
        return "Name hosts that both have."
    return f"There are {named(known, _NAMES)}."


def _empty_groups(groups: Mapping[str, Sequence[str]]) -> str:
    names = [name for name in groups if name not in ("all", "ungrouped")]
    return f", only empty groups: {named(names, _NAMES)}" if names else ""
