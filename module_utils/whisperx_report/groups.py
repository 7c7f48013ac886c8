"""Hosts that are alike, together: what a reader of a large fleet looks at first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["alike", "classes"]

Rows = Mapping[str, Mapping[str, Any]]


def classes(rows: Rows, states: Iterable[str]) -> dict[str, dict[str, int]]:
    """Return class to how many of its hosts are in which state; "" holds the hosts without a class."""
    found: dict[str, Counter[str]] = {}
    for row in rows.values():
        found.setdefault(row["class"], Counter())[row["state"]] += 1
    order = list(states)
    return {
        name: {state: found[name][state] for state in order if found[name][state]} for name in sorted(found)
    }


def alike(rows: Rows, states: Sequence[str]) -> list[dict[str, Any]]:
    """Return what is wrong, each once: ``state``, ``rule``, ``message``, ``remedies`` and its ``hosts``.

    Hosts are alike when their state and their message are; a step that failed for the same rule is the same
    failure, though it may have found another number of bytes free: ``message`` is that of the first host.
    The order is that of ``states``, more hosts first.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for name, row in rows.items():
        if row["state"] in states:
            key = (row["state"], (row["rule"] if row["state"] == "failed" else "") or row["message"])
            shown = {part: row[part] for part in ("state", "rule", "message")}
            remedies = row["remedies"] if row["state"] == "refused" else []
            found.setdefault(key, {**shown, "remedies": list(remedies), "hosts": []})["hosts"].append(name)
    return sorted(found.values(), key=lambda one: (states.index(one["state"]), -len(one["hosts"])))
