"""Action plugin of whisperx_image: tells how far a build is, in the way of that of whisperx_wheelhouse."""

from __future__ import annotations

import typing as t

from ansible.plugins.loader import action_loader

# Plugins beside a playbook are no package, from which one could import.
_Telling: t.Any = action_loader.get("whisperx_wheelhouse", class_only=True)


class ActionModule(_Telling):
    """Runs whisperx_image."""

    def arguments(self) -> dict[str, t.Any]:
        """Return the module's arguments."""
        return dict(self._task.args)
