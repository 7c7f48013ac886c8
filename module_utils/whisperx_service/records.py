"""What a host notes of its services: `services/NAME.json` in the root, readable by root alone, for secrets.

A record without ``healthy`` says that a change began and did not end: the next run restarts the service.
``states`` are all units that ever had a state directory here, for a removal that leaves nothing.
"""

from __future__ import annotations

import os
from typing import Any, Dict, List, Mapping, Sequence

from ..whisperx_common import records
from ..whisperx_common.files import names_in
from ..whisperx_problem import Problem
from ..whisperx_release.model import SERVICES, Layout
from .model import Service, services_of

__all__ = ["SCHEMA", "all_of", "directory", "dropped", "path", "raw", "service_of", "states_of"]

SCHEMA = 1
_END = ".json"
_SCHEMA = records.Schema(
    {
        "schema": records.whole,
        "name": records.identifier,
        "service": records.table(lambda value: True),
        "units": records.each(records.text),
        "states": records.each(records.text),
        "release": records.text,
        "at": records.text,
        "healthy": records.flag,
    },
    frozenset(("name", "service", "units")),
)


def directory(layout: Layout) -> str:
    """Return the directory of the records."""
    return layout.path(SERVICES)


def path(layout: Layout, name: str) -> str:
    """Return the record of a service."""
    return layout.path(SERVICES, name + _END)


def all_of(layout: Layout) -> Dict[str, Dict[str, Any]]:
    """Return name -> record of every service that this toolkit put on the host."""
    found: Dict[str, Dict[str, Any]] = {}
    for file in sorted(names_in(directory(layout))):
        name = file[: -len(_END)]
        record = records.read(os.path.join(directory(layout), file), _SCHEMA) if file.endswith(_END) else None
        if record is not None and record["name"] == name and _units_fit(name, states_of(record)):
            found[name] = record
    return found


def states_of(record: Mapping[str, Any]) -> List[str]:
    """Return every unit of a record that has, or had, a state directory."""
    return sorted({*(record.get("units") or []), *(record.get("states") or [])})


def dropped(name: str, units: Sequence[str], record: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the record of a service that is gone but for its state, which a removal of everything finds so.

    ``record`` is the one that it had.
    """
    states = sorted({*units, *states_of(record)})
    values = {"schema": SCHEMA, "name": name, "service": {}, "units": list(units), "dropped": True}
    return dict(values, states=states, healthy=False)


def service_of(record: Dict[str, Any]) -> List[Service]:
    """Return the service of a record; none where the record says what no user could have written."""
    try:
        return list(services_of({record["name"]: record["service"]}))
    except Problem:
        return []


def _units_fit(name: str, units: List[str]) -> bool:
    """Return whether these can be the units of that service: a record never leads to units of others."""
    plain = "whisperx-{}.service".format(name)
    head, tail = "whisperx-{}@".format(name), ".service"
    return all(
        unit == plain
        or (unit.startswith(head) and unit.endswith(tail) and unit[len(head) : -len(tail)].isdecimal())
        for unit in units
    )


def raw(service: Service) -> Dict[str, Any]:
    """Return a service as a user could have written it: `services_of` of it gives the same service."""
    health: Dict[str, Any] = {}
    if service.health.kind:
        health = {"within": service.health.within}
        health[service.health.kind] = list(service.health.argv) or service.health.target
        if service.health.kind == "http":
            health["status"] = service.health.status
    return {
        "command": list(service.argv),
        "health": health,
        "instances": "gpu" if service.instances == 0 else service.instances,
        "port": service.port,
        "gpu": "auto" if service.gpu is None else service.gpu,
        "user": service.user,
        "memory": service.memory,
        "writable": list(service.writable),
        "environment": dict(service.environment),
        "secrets": dict(service.secrets),
    }
