"""Action plugin of whisperx_verify: says in words what is wrong with the Python of the host."""

from __future__ import annotations

from pathlib import Path

import ansible.plugins

# In a checkout, plugins are loaded below ansible.plugins; a collection has module_utils beside them already.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in ansible.plugins.__path__:
    ansible.plugins.__path__.append(_ROOT)

from ..module_utils.whisperx_action.action import HostAction  # noqa: E402


class ActionModule(HostAction):
    """Runs whisperx_verify."""
