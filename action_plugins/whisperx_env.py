"""Action plugin of whisperx_env: brings the files that a host lacks, and only when it needs them.

The module is run once with nothing in hand. A converged host answers that it is done, and check mode gets its
prediction. Else the module names the files it lacks (the uv binary, wheels that no index has); they are
transferred and the module runs again with their paths.
"""

from __future__ import annotations

import hashlib
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
        sources = {item["sha256"]: item for item in given.get("files") or []}
        uv = given.pop("uv", "") or ""
        try:
            result = self._call(given, [{**item, "path": ""} for item in sources.values()], task_vars)
            wanted = result.get("wanted_files") or []
            if wanted and not self._only_asked(given) and not result.get("failed"):
                if uv and any(item["file"] == UV for item in wanted):
                    digest = sha256(uv)
                    sources[digest] = {"sha256": digest, "file": UV, "path": uv}
                lacking = set(sources) - set(result["found_files"])
                files = [
                    {**item, "path": self._bring(item) if digest in lacking else ""}
                    for digest, item in sources.items()
                ]
                result = self._call(given, files, task_vars)
                self._complain_if_still_wanted(result)
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
        self, given: dict[str, t.Any], files: list[dict[str, t.Any]], task_vars: dict[str, t.Any] | None
    ) -> dict[str, t.Any]:
        return self._execute_module(
            module_name="whisperx_env", module_args={**given, "files": files}, task_vars=task_vars
        )

    def _bring(self, item: dict[str, t.Any]) -> str:
        """Make a file of the controller readable on the host; return its path there."""
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

    def _complain_if_still_wanted(self, result: dict[str, t.Any]) -> None:
        names = [item["file"] for item in result.get("wanted_files") or []]
        if names:
            result["failed"] = True
            result["changed"] = False
            result["rule"] = "env.files-missing"
            result["msg"] = (
                f"the build needs files that were not given: {', '.join(names)} (options uv and files); "
                "wanted: their paths on the controller. Let the whisperx_plan role lock this host."
            )


def sha256(path: str) -> str:
    """Return the SHA-256 of a file of the controller, as hex digits."""
    if not os.path.isfile(path):
        raise AnsibleActionFail(f"there is no uv binary at {path}; wanted: the one whisperx_lock returns.")
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
