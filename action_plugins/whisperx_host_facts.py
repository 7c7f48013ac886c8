"""Action plugin of whisperx_host_facts: a host that is only described is not contacted."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Runs whisperx_host_facts, or returns what is assumed."""

    TRANSFERS_FILES = False

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the module's result."""
        result = super().run(tmp, task_vars)
        given = dict(self._task.args)
        if given.get("source", "probe") == "assume":
            facts = {"schema": 1, **(given.get("assume") or {})}
            return {**result, "changed": False, "ansible_facts": {"whisperx_host": facts}}
        result.update(self._execute_module(module_args=given, task_vars=task_vars))
        return result
