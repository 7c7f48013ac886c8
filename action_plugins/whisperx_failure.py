"""Action plugin whisperx_failure: returns state, rule and message of a host that a task failed for."""

from __future__ import annotations

import typing as t
from pathlib import Path

import ansible.plugins
from ansible.module_utils.parsing.convert_bool import boolean

# In a checkout, plugins are loaded below ansible.plugins; a collection has module_utils beside them already.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in ansible.plugins.__path__:
    ansible.plugins.__path__.append(_ROOT)

from ..module_utils.whisperx_action.action import ControllerAction  # noqa: E402
from ..module_utils.whisperx_fleet.variables import Fleet  # noqa: E402
from ..module_utils.whisperx_rollout.hosts import failure  # noqa: E402

_RESULT = "ansible_failed_result"


class ActionModule(ControllerAction):
    """Keeps in a variable what the report says of the host."""

    def answer(
        self, given: dict[str, t.Any], variables: t.Mapping[str, t.Any], fleet: Fleet
    ) -> dict[str, t.Any]:
        """Return state, rule and message."""
        host = variables["inventory_hostname"]
        # A task that runs once for all hosts fails all of them, and only the one that ran it knows of what.
        others = fleet.recorded(_RESULT, fleet.active)
        result = fleet.raw(host).get(_RESULT) or next(iter(others.values()), {})
        return failure(host, result, variables, boolean(given.get("planned", True)))
