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

from ..module_utils.whisperx_action.action import ControllerAction  # noqa: E402
from ..module_utils.whisperx_env.standing import assessment  # noqa: E402
from ..module_utils.whisperx_fleet.variables import Fleet, at  # noqa: E402
from ..module_utils.whisperx_models.hosts import LISTING, prediction  # noqa: E402
from ..module_utils.whisperx_problem import Problem  # noqa: E402
from ..module_utils.whisperx_rollout.unchanged import unchanged  # noqa: E402


class ActionModule(ControllerAction):
    """Reads the assessments that came with the facts."""

    def answer(
        self, given: dict[str, t.Any], variables: t.Mapping[str, t.Any], fleet: Fleet
    ) -> dict[str, t.Any]:
        """Return hosts and all."""
        sets = at(variables, ("__whisperx_models", "sets")) or {}
        chosen = at(variables, ("__whisperx_models", "of")) or {}

        def models(host: str) -> t.Mapping[str, t.Any] | None:
            if host not in chosen:
                return {}  # no role has anything to do with models
            known = at(fleet.raw(host), LISTING)
            try:
                return prediction(known, known, sets[chosen[host]]) if isinstance(known, t.Mapping) else None
            except Problem:
                return None  # for the module to say

        hosts = unchanged(fleet, variables, assessment, models)
        return {"hosts": hosts, "all": bool(hosts) and len(hosts) == len(fleet.active)}
