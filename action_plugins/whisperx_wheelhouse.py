"""Action plugin of whisperx_wheelhouse: names batch and run to the server, and tells of progress."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import ansible.plugins

# In a checkout, plugins are loaded below ansible.plugins; a collection has module_utils beside them already.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in ansible.plugins.__path__:
    ansible.plugins.__path__.append(_ROOT)

from ..module_utils.whisperx_action.progress import ProgressAction  # noqa: E402
from ..module_utils.whisperx_fleet.variables import Fleet  # noqa: E402


class ActionModule(ProgressAction):
    """Runs whisperx_wheelhouse."""

    def arguments(self, variables: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Return the module's arguments."""
        fleet = Fleet(variables)
        # A worker's parent is ansible-playbook, and the server is to live as long as that.
        return {
            "hosts": fleet.setting("ansible_host", "", fleet.batch),
            **self._task.args,
            "serves": os.getppid(),
        }
