"""Action plugin of whisperx_plan: decides in Ansible's own process, for the hosts of the play.

As a module it would be packed, written and started anew each time, which takes four times as long as
deciding. Unless the task names hosts, they are those of the play, with the facts and variables of each.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

import ansible.plugins
from ansible.module_utils.distro import LinuxDistribution

# In a checkout, plugins are loaded below ansible.plugins; a collection has module_utils beside them already.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in ansible.plugins.__path__:
    ansible.plugins.__path__.append(_ROOT)

from ..module_utils.whisperx_action.action import ControllerAction, validated  # noqa: E402
from ..module_utils.whisperx_fleet.variables import Fleet  # noqa: E402
from ..module_utils.whisperx_image.root import root_facts  # noqa: E402
from ..module_utils.whisperx_plan.options import ARGUMENTS  # noqa: E402
from ..module_utils.whisperx_plan.play_hosts import facts_of, requests_of, unread_of  # noqa: E402
from ..module_utils.whisperx_plan.run import run  # noqa: E402
from ..module_utils.whisperx_problem import Problem  # noqa: E402


class ActionModule(ControllerAction):
    """Runs whisperx_plan."""

    def answer(
        self, given: dict[str, t.Any], variables: t.Mapping[str, t.Any], fleet: Fleet
    ) -> dict[str, t.Any]:
        """Return the decision for the hosts that the task names, else for those of the play."""
        if given.get("hosts") is None:
            given["hosts"] = facts_of(fleet)
            if not given["hosts"] and "__whisperx_host_read" not in variables:
                raise Problem(
                    "plan.no-facts",
                    "No host of the play has facts",
                    "role whisperx_plan",
                    "role whisperx_host earlier in the play",
                    "List it before whisperx_plan, or run playbooks/plan.yml.",
                )
            given["unread"] = unread_of(fleet)
            given["requests"] = {**requests_of(fleet, self._shared()), **(given.get("requests") or {})}
        return run(validated(given, ARGUMENTS), facts_in)

    def _shared(self) -> t.Callable[[str], t.Any]:
        """Return a function from a variable to what play, caller and role defaults say, whatever the host."""
        values = self._task.get_variable_manager().get_vars(play=self._task.get_play(), task=self._task)
        templar = self._templar.copy_with_new_env(available_variables=values)

        def shared(name: str) -> t.Any:
            return templar.template(values[name]) if name in values else None

        return shared


def facts_in(root: str, cache: str) -> dict[str, t.Any]:
    """Return the facts of the root file system in a tar."""
    return root_facts(root, LinuxDistribution, cache)
