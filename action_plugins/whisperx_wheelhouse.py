"""Action plugin of whisperx_wheelhouse: names batch and run to the server, and tells of progress.

A module cannot write to the terminal. It notes its progress in a small file instead, and this plugin, which
runs beside it on the controller, tells of it. Where nobody looks, on no terminal or in CI, it is silent.
"""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import ansible.plugins
from ansible.plugins.action import ActionBase

# In a checkout, plugins are loaded below ansible.plugins; a collection has module_utils beside them already.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in ansible.plugins.__path__:
    ansible.plugins.__path__.append(_ROOT)

from ..module_utils.whisperx_fleet.telling import told  # noqa: E402
from ..module_utils.whisperx_fleet.transfer import TERMINAL  # noqa: E402
from ..module_utils.whisperx_fleet.variables import Fleet  # noqa: E402


class ActionModule(ActionBase):
    """Runs whisperx_wheelhouse."""

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the module's result."""
        super().run(tmp, task_vars)
        given = self.arguments(task_vars or {})
        if not TERMINAL or self._connection.transport != "local":
            return self._execute_module(module_args=given, task_vars=task_vars)
        with told() as path:
            return self._execute_module(module_args={**given, "progress": path}, task_vars=task_vars)

    def arguments(self, variables: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Return the module's arguments."""
        fleet = Fleet(variables)
        # A worker's parent is ansible-playbook, and the server is to live as long as that.
        return {
            "hosts": fleet.setting("ansible_host", "", fleet.batch),
            **self._task.args,
            "serves": os.getppid(),
        }
