"""Action plugin of whisperx_doctor: says in words what is wrong with the Python of the host."""

from __future__ import annotations

import typing as t
from pathlib import Path

import ansible.plugins
from ansible.plugins.action import ActionBase

# In a checkout, plugins are loaded below ansible.plugins; a collection has module_utils beside them already.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in ansible.plugins.__path__:
    ansible.plugins.__path__.append(_ROOT)

from ..module_utils.whisperx_fleet.interpreter import run_module  # noqa: E402


class ActionModule(ActionBase):
    """Runs whisperx_doctor."""

    TRANSFERS_FILES = False

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the module's result."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        try:
            result.update(run_module(self, task_vars or {}))
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result
