"""Action plugin whisperx_collect: returns what a task left in the variables of the play's hosts, as data.

Option ``paths``: name to a variable with the keys in it, such as ``__whisperx_audit_result.report``. Returns
``found``, each name to host to what is there; hosts that have nothing there are left out.

With ``output``, a file of the controller, what the name ``hosts`` stands for is written there as JSON;
``variable`` is the one that names the file. Written in check mode too, as it is no part of any host.
"""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import ansible.plugins

# In a checkout, plugins are loaded below ansible.plugins; a collection has module_utils beside them already.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in ansible.plugins.__path__:
    ansible.plugins.__path__.append(_ROOT)

from ..module_utils.whisperx_action.action import ControllerAction, validated  # noqa: E402
from ..module_utils.whisperx_common.output import Output  # noqa: E402
from ..module_utils.whisperx_fleet.variables import Fleet  # noqa: E402

ARGUMENTS = {
    "paths": {"type": "dict", "required": True},
    "output": {"type": "path", "default": ""},
    "variable": {"type": "str", "default": ""},
}


class ActionModule(ControllerAction):
    """Joins results of all hosts."""

    def answer(
        self, given: dict[str, t.Any], variables: t.Mapping[str, t.Any], fleet: Fleet
    ) -> dict[str, t.Any]:
        """Return what is at the paths for each host.

        Raises Problem "AREA.output", "AREA.untrusted-directory", AREA being the role of the variable.
        """
        options = validated(given, ARGUMENTS)
        found = {name: fleet.recorded(str(path)) for name, path in options["paths"].items()}
        if options["output"]:
            record = {"schema": 1, "hosts": found["hosts"]}
            text = json.dumps(record, indent=1, sort_keys=True) + "\n"
            Output(options["variable"], options["output"]).write(text)
        return {"found": found}
