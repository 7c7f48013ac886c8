"""The bases of action plugins: of those that do a module's work in Ansible's own process, and of others.

Packing a module and starting a Python for it takes longer than what the first do. They see the variables of
all hosts of the play, and contact none.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ..whisperx_fleet.interpreter import run_module
from ..whisperx_fleet.variables import Fleet
from ..whisperx_problem import Problem

__all__ = ["ControllerAction", "HostAction", "validated"]


class ControllerAction(ActionBase):  # type: ignore[misc]
    """An action plugin whose subclass says what its module returns."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result; a Problem is a failure with its fields."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        try:
            # Relative paths begin at the playbook's directory, as for a module on the local connection.
            # The process is one of Ansible's workers, which has this task alone.
            with contextlib.chdir(self._loader.get_basedir()):
                found = self.answer(dict(self._task.args), variables, Fleet(variables))
            result.update({"changed": False, **found})
        except Problem as problem:
            result.update(failed=True, msg=problem.sentence(), **problem.record())
        return result

    def answer(self, given: dict[str, Any], variables: Mapping[str, Any], fleet: Fleet) -> dict[str, Any]:
        """Return what the module returns. ``given``: the task's options. Raises Problem."""
        raise NotImplementedError


class HostAction(ActionBase):  # type: ignore[misc]
    """An action plugin that runs its module on the host, and says in words what is wrong with its Python."""

    TRANSFERS_FILES = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            result.update(run_module(self, task_vars or {}))
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result


def validated(given: Mapping[str, Any], specification: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with types and defaults, as a module would have them. Raises AnsibleActionFail."""
    result = ArgumentSpecValidator(dict(specification)).validate(dict(given))
    if result.error_messages:
        raise AnsibleActionFail("; ".join(result.error_messages))
    options: dict[str, Any] = result.validated_parameters
    return options
