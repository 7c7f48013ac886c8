"""What the hosts of a play bring to the decision: their facts, and what each of them asks for.

Facts are what a host said: they are taken as they are, and no template in them is ever run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..whisperx_fleet.variables import Fleet
from .requests import OPTIONS

__all__ = ["VARIABLES", "facts_of", "requests_of", "unread_of"]

# Each option that may differ by host, and the variable that says it.
VARIABLES = {
    option: f"whisperx_container_{option.partition('_')[2]}"
    if option in ("container_engine", "container_install")
    else f"whisperx_plan_{option}"
    for option in OPTIONS
}


def facts_of(fleet: Fleet) -> dict[str, Any]:
    """Return host to facts, without the hosts that have none because they did not respond.

    Facts that are no mapping are kept: the decision refuses such a host.
    """
    found = fleet.recorded("ansible_facts.whisperx_host", fleet.active)
    return {name: facts for name, facts in found.items() if facts or not isinstance(facts, Mapping)}


def unread_of(fleet: Fleet) -> dict[str, dict[str, str]]:
    """Return host to ``state`` and ``message``, for the hosts of the play whose facts could not be read."""
    facts = facts_of(fleet)
    found = fleet.recorded("__whisperx_host_read", fleet.all)
    return {
        name: {
            "state": "unreachable" if read.get("unreachable") else "failed",
            "message": str(read.get("msg") or "its facts could not be read, see above"),
        }
        for name, read in found.items()
        if name not in facts and (read.get("unreachable") or read.get("failed"))
    }


def requests_of(fleet: Fleet, shared: Callable[[str], Any]) -> dict[str, dict[str, Any]]:
    """Return what hosts ask for, option to host to value, without what nobody sets.

    ``shared``: returns the value of a variable for hosts that have none of their own, which is what the play
    or the role's caller sets or the role's default; None if there is none.
    """
    requests = {}
    for option, variable in VARIABLES.items():
        values = fleet.setting(variable, shared(variable))
        requests[option] = {name: value for name, value in values.items() if value is not None}
    return {option: values for option, values in requests.items() if values}
