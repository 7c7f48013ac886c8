"""Action plugin of whisperx_rollout: orders hosts by what their tasks left in the variables of all hosts."""

from __future__ import annotations

import typing as t
from pathlib import Path

import ansible.plugins

# In a checkout, plugins are loaded below ansible.plugins; a collection has module_utils beside them already.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in ansible.plugins.__path__:
    ansible.plugins.__path__.append(_ROOT)

from ..module_utils.whisperx_action.action import ControllerAction, validated  # noqa: E402
from ..module_utils.whisperx_fleet.variables import Fleet  # noqa: E402
from ..module_utils.whisperx_rollout.hosts import order, turn_options  # noqa: E402
from ..module_utils.whisperx_rollout.order import ARGUMENTS, decide  # noqa: E402


class ActionModule(ControllerAction):
    """Runs whisperx_rollout."""

    def answer(
        self, given: dict[str, t.Any], variables: t.Mapping[str, t.Any], fleet: Fleet
    ) -> dict[str, t.Any]:
        """Return the order of the hosts that change, or with a wave who of it changes now."""
        if "pending" not in given:
            given |= turn_options(fleet) if given.get("wave") else {"pending": order(fleet, variables)}
        options = validated(given, ARGUMENTS)
        # A group stands for its hosts; the preflight refused what is neither.
        groups = variables.get("groups") or {}
        options["canaries"] = [host for name in options["canaries"] for host in groups.get(name, [name])]
        return decide(options)
