"""Action plugin of whisperx_lock: makes the locks in Ansible's own process."""

from __future__ import annotations

import typing as t
from pathlib import Path

import ansible.plugins
from ansible.module_utils.common.parameters import remove_values

# In a checkout, plugins are loaded below ansible.plugins; a collection has module_utils beside them already.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in ansible.plugins.__path__:
    ansible.plugins.__path__.append(_ROOT)

from ..module_utils.whisperx_action.action import ControllerAction, validated  # noqa: E402
from ..module_utils.whisperx_common.secrets import secrets_of  # noqa: E402
from ..module_utils.whisperx_fleet.variables import Fleet  # noqa: E402
from ..module_utils.whisperx_lock.run import ARGUMENTS, run  # noqa: E402
from ..module_utils.whisperx_problem import Problem  # noqa: E402
from ..module_utils.whisperx_wheelhouse.listing import check  # noqa: E402


class ActionModule(ControllerAction):
    """Runs whisperx_lock."""

    def answer(
        self, given: dict[str, t.Any], variables: t.Mapping[str, t.Any], fleet: Fleet
    ) -> dict[str, t.Any]:
        """Return the locks, without what nobody may see of the options."""
        options = validated(given, ARGUMENTS)
        try:
            result = run(options, bool(self._task.check_mode), check)
        except Problem as problem:
            result = {"failed": True, "msg": problem.sentence(), **problem.record()}
        shown: dict[str, t.Any] = remove_values(result, secrets_of(options))
        return shown
