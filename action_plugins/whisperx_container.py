"""Action plugin of whisperx_container: says in words what is wrong with the Python of the host.

It also says whether the result is a prediction: a host that lies would have the report say that it waits.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

import ansible.plugins

# In a checkout, plugins are loaded below ansible.plugins; a collection has module_utils beside them already.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in ansible.plugins.__path__:
    ansible.plugins.__path__.append(_ROOT)

from ..module_utils.whisperx_action.action import HostAction  # noqa: E402


class ActionModule(HostAction):
    """Runs whisperx_container."""

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the module's result."""
        result = super().run(tmp, task_vars)
        # A host that has yet to load the image switched nothing; role whisperx_container then loads it.
        result["predicted"] = bool(self._task.check_mode or result.get("load") is True)
        return result
