"""Action plugin of whisperx_env: brings the files that a host lacks, and only when it needs them.

The module is run once with nothing in hand. A converged host answers that it is done, and check mode gets its
prediction. Else the module names the files it lacks (the uv binary, wheels that no index has); they are
transferred and the module runs again with their paths.
"""

from __future__ import annotations

import os
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

UV = "uv"


class ActionModule(ActionBase):
    """Runs whisperx_env, twice where files have to travel first."""

    TRANSFERS_FILES = True
    _requires_connection = True

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the module's result, the host's name put before every line of its summary."""
        super().run(tmp, task_vars)
        given = dict(self._task.args)
        try:
            result = self._call(given, task_vars, {})
            lacking = {item["sha256"] for item in result.get("wanted_files") or []}
            if lacking and not self._only_asked(given) and not result.get("failed"):
                result = self._call(given, task_vars, self._bring(given, lacking))
                complain_if_still_wanted(result)
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        host = (task_vars or {}).get("inventory_hostname", "")
        told = result.get("summary") or ([f"failed: {result['msg']}"] if result.get("failed") else [])
        result["summary"] = [f"{host}: {line}" for line in told]
        return result

    def _only_asked(self, given: dict[str, t.Any]) -> bool:
        """Whether the answer is all that was wanted: check mode, or `assess`."""
        return bool(self._task.check_mode or given.get("assess"))

    def _call(
        self, given: dict[str, t.Any], task_vars: dict[str, t.Any] | None, paths: dict[str, str]
    ) -> dict[str, t.Any]:
        """Run the module; ``paths`` are those on the host of the files that were brought, by SHA-256."""
        arguments = dict(given)
        arguments["files"] = [
            {**item, "path": paths.get(item["sha256"], "")} for item in given.get("files") or []
        ]
        if given.get("uv"):
            arguments["uv"] = {**given["uv"], "path": paths.get(given["uv"]["sha256"], "")}
        return self._execute_module(module_name="whisperx_env", module_args=arguments, task_vars=task_vars)

    def _bring(self, given: dict[str, t.Any], lacking: set[str]) -> dict[str, str]:
        """Make the lacking files readable on the host; return their paths there by SHA-256."""
        items = [{"file": UV, **given["uv"]}] if given.get("uv") else []
        items += given.get("files") or []
        return {item["sha256"]: self._bring_one(item) for item in items if item["sha256"] in lacking}

    def _bring_one(self, item: dict[str, t.Any]) -> str:
        path = os.path.abspath(os.path.expanduser(item["path"]))
        if not os.path.isfile(path):
            raise AnsibleActionFail(
                f"{item['file']} is not on the controller ({path}); wanted: the file with SHA-256 "
                f"{item['sha256']}. Lock anew, which makes or fetches it again."
            )
        if self._connection.transport == "local":
            return path
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()
        remote = self._connection._shell.join_path(self._connection._shell.tmpdir, item["sha256"])
        self._transfer_file(path, remote)
        self._fixup_perms2((self._connection._shell.tmpdir, remote))
        return remote


def complain_if_still_wanted(result: dict[str, t.Any]) -> None:
    """Make a result a failure when the module could not build for want of files that nobody gave."""
    names = [item["file"] for item in result.get("wanted_files") or []]
    if names:
        result["failed"] = True
        result["changed"] = False
        result["rule"] = "env.files-missing"
        result["msg"] = (
            f"the build needs files that were not given: {', '.join(names)} (options uv and files); wanted: "
            "their paths on the controller. Let the whisperx_plan role lock this host."
        )
