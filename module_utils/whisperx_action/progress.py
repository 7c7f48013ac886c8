"""An action whose module notes its progress in a small file, and this tells of it.

A module cannot write to the terminal. Where nobody looks, on no terminal or in CI, this is silent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase

from .telling import told
from .transfer import TERMINAL

__all__ = ["ProgressAction"]


class ProgressAction(ActionBase):  # type: ignore[misc]
    """Runs the module of its name, and tells how far it is."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result."""
        super().run(tmp, task_vars)
        given = self.arguments(task_vars or {})
        if not TERMINAL or self._connection.transport != "local":
            found: dict[str, Any] = self._execute_module(module_args=given, task_vars=task_vars)
        else:
            with told() as path:
                found = self._execute_module(module_args={**given, "progress": path}, task_vars=task_vars)
        return found

    def arguments(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Return the module's arguments."""
        return dict(self._task.args)
