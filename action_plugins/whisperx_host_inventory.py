"""Action plugin of whisperx_host_inventory: writes the facts of the play's hosts, in Ansible's process."""

from __future__ import annotations

import typing as t
from pathlib import Path

import ansible.plugins
from ansible.utils.display import Display

# In a checkout, plugins are loaded below ansible.plugins; a collection has module_utils beside them already.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in ansible.plugins.__path__:
    ansible.plugins.__path__.append(_ROOT)

from ..module_utils.whisperx_action.action import ControllerAction, validated  # noqa: E402
from ..module_utils.whisperx_fleet.described import ARGUMENTS, write_described  # noqa: E402
from ..module_utils.whisperx_fleet.variables import Fleet  # noqa: E402


class ActionModule(ControllerAction):
    """Runs whisperx_host_inventory."""

    def answer(
        self, given: dict[str, t.Any], variables: t.Mapping[str, t.Any], fleet: Fleet
    ) -> dict[str, t.Any]:
        """Write the inventory of the hosts that the task names, else of those of the play."""
        if "hosts" not in given:
            given["hosts"] = fleet.recorded("ansible_facts.whisperx_host", fleet.active)
        result = write_described(validated(given, ARGUMENTS))
        for sentence in result["left_out"]:
            Display().warning(sentence)
        return result
