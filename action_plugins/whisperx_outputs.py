"""Action plugin whisperx_outputs: refuses files of the controller whose directories others can change.

Options, each variable to its value, empty ones are passed over: ``files``, written under random names and
renamed; ``streams``, files that other programs write under names that are known beforehand; ``directories``,
in which files are written so. No host is contacted.
"""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import ansible.plugins

# In a checkout, plugins are loaded below ansible.plugins; a collection has module_utils beside them already.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in ansible.plugins.__path__:
    ansible.plugins.__path__.append(_ROOT)

from ..module_utils.whisperx_action.action import ControllerAction, validated  # noqa: E402
from ..module_utils.whisperx_common.output import Output, check_place  # noqa: E402
from ..module_utils.whisperx_fleet.variables import Fleet  # noqa: E402

ARGUMENTS = {name: {"type": "dict", "default": {}} for name in ("files", "streams", "directories")}


class ActionModule(ControllerAction):
    """Checks before anything is done what would be refused after it."""

    def answer(
        self, given: dict[str, t.Any], variables: t.Mapping[str, t.Any], fleet: Fleet
    ) -> dict[str, t.Any]:
        """Return nothing. Raises Problem "AREA.untrusted-directory", AREA being the variable's role."""
        options = validated(given, ARGUMENTS)
        named = {
            kind: {name: os.path.expanduser(str(path)) for name, path in values.items() if path}
            for kind, values in options.items()
        }
        for variable, path in named["files"].items():
            Output(variable, path).check()
        for variable, path in named["streams"].items():
            check_place(variable, path, file=True)
        for variable, path in named["directories"].items():
            check_place(variable, path)
        return {}
