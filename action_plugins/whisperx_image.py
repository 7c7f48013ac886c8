"""Action plugin of whisperx_image: one image per class; shows how far a build is."""

from __future__ import annotations

import typing as t
from pathlib import Path

import ansible.plugins

# In a checkout, plugins are loaded below ansible.plugins; a collection has module_utils beside them already.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in ansible.plugins.__path__:
    ansible.plugins.__path__.append(_ROOT)

from ..module_utils.whisperx_action.progress import ProgressAction  # noqa: E402
from ..module_utils.whisperx_fleet.images import image_models, image_options  # noqa: E402
from ..module_utils.whisperx_fleet.variables import Fleet, at  # noqa: E402


class ActionModule(ProgressAction):
    """Runs whisperx_image."""

    def arguments(self, variables: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Return the module's arguments, with the classes of the batch that run in containers."""
        given = dict(self._task.args)
        push = given.pop("push", True)
        if "plans" not in given:
            plans = at(variables, ("__whisperx_plan", "hosts")) or {}
            given |= image_options(plans, Fleet(variables))
            given["models"] = image_models(variables)
            if not push:
                given["registries"] = []
        return given
