"""Action plugin of whisperx_host_inventory: fills in the facts of all hosts of the play, as data."""

from __future__ import annotations

import typing as t
from pathlib import Path

import ansible.plugins
from ansible.plugins.action import ActionBase

# In a checkout, plugins are loaded below ansible.plugins; a collection has module_utils beside them already.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in ansible.plugins.__path__:
    ansible.plugins.__path__.append(_ROOT)

from ..module_utils.whisperx_fleet.variables import Fleet  # noqa: E402


class ActionModule(ActionBase):
    """Runs whisperx_host_inventory."""

    TRANSFERS_FILES = False

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the module's result."""
        result = super().run(tmp, task_vars)
        given = dict(self._task.args)
        if "hosts" not in given:
            fleet = Fleet(task_vars or {})
            given["hosts"] = fleet.recorded("ansible_facts.whisperx_host", fleet.active)
        result.update(self._execute_module(module_args=given, task_vars=task_vars))
        return result
