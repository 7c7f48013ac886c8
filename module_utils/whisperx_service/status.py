"""How the services of a host are, as modules return it and the report shows it."""

from __future__ import annotations

from typing import AbstractSet, Any, Dict, List, Mapping

__all__ = ["status"]


def status(
    records: Mapping[str, Mapping[str, Any]],
    units: Mapping[str, List[str]],
    shown: Mapping[str, Mapping[str, str]],
    restarted: AbstractSet[str],
) -> List[Dict[str, Any]]:
    """Return each service with its state, health and release, and whether it is restarted in this run.

    ``records``: what the host notes of a service by its name; ``units``: the units of each service;
    ``shown``: what systemd says of them; ``restarted``: the units that are restarted.
    """
    found = []
    for name in sorted(units):
        record = records.get(name, {})
        states = [shown.get(unit, {}).get("ActiveState", "unknown") for unit in units[name]]
        well = bool(record.get("healthy")) and set(states) == {"active"}
        row = {"name": name, "state": _state(states), "healthy": well}
        row["release"] = str(record.get("release") or "")
        found.append(dict(row, restarted=not restarted.isdisjoint(units[name])))
    return found


def _state(states: List[str]) -> str:
    """Return the state of a service by those of its instances."""
    if len(set(states)) == 1:
        return states[0]
    return "{} of {} active".format(states.count("active"), len(states))
