"""Action plugin whisperx_unchanged: returns the hosts that stay as they are, known from their facts.

Returns ``hosts``, host to the result of whisperx_env, and ``all``, whether these are all that take part. No
host is contacted.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

import ansible.plugins

# In a checkout, plugins are loaded below ansible.plugins; a collection has module_utils beside them already.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in ansible.plugins.__path__:
    ansible.plugins.__path__.append(_ROOT)

from ..module_utils.whisperx_env.standing import assessment  # noqa: E402
from ..module_utils.whisperx_fleet.action import ControllerAction  # noqa: E402
from ..module_utils.whisperx_fleet.variables import Fleet  # noqa: E402
from ..module_utils.whisperx_rollout.unchanged import unchanged  # noqa: E402


class ActionModule(ControllerAction):
    """Reads the assessments that came with the facts."""

    def answer(
        self, given: dict[str, t.Any], variables: t.Mapping[str, t.Any], fleet: Fleet
    ) -> dict[str, t.Any]:
        """Return hosts and all."""
        hosts = unchanged(fleet, variables, assessment)
        return {"hosts": hosts, "all": bool(hosts) and len(hosts) == len(fleet.active)}
