"""Action plugin of whisperx_env: transfers the files that are missing on a host, only when it needs them.

Where the host was assessed with its facts, and what is asked for is what it has, the module does not run at
all. Else it is run once with nothing in hand; check mode gets its prediction from that. To build, it names
the files that are missing on the host (the uv binary, wheels that no index has); they are transferred and
the module runs again with their paths. On a terminal the plugin shows how far it is.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import shlex
import threading
import typing as t
from pathlib import Path

import ansible.plugins
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

# In a checkout, plugins are loaded below ansible.plugins; a collection has module_utils beside them already.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in ansible.plugins.__path__:
    ansible.plugins.__path__.append(_ROOT)

from ..module_utils.whisperx_action.transfer import TELL_EVERY_S, TERMINAL, send  # noqa: E402
from ..module_utils.whisperx_env.standing import assessment  # noqa: E402
from ..module_utils.whisperx_fleet.interpreter import run_module  # noqa: E402
from ..module_utils.whisperx_fleet.results import summarised, transferred, wanted_files, wanted_rows  # noqa: E402
from ..module_utils.whisperx_fleet.variables import at  # noqa: E402

UV = "uv"
_FIRST_LOOK_S = 1.0


class ActionModule(ActionBase):
    """Runs whisperx_env, twice where files have to travel first."""

    # Said true, Ansible would make a directory on every host before it knew whether one has to have files.
    TRANSFERS_FILES = False
    _requires_connection = True

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the module's result, the host's name put before every line of its summary."""
        super().run(tmp, task_vars)
        given = dict(self._task.args)
        try:
            known = at(task_vars or {}, ("__whisperx_host_read", "assessed"))
            result = assessment(given, known) or self._call(given, task_vars, {})
            lacking = wanted_files(result)
            if lacking and not self._only_asked(given) and not result.get("failed"):
                paths, size = self._bring(given, lacking, (task_vars or {}).get("inventory_hostname", ""))
                result = self._call(given, task_vars, paths)
                result["bytes_brought"] = transferred(result) + size
                complain_if_still_wanted(result)
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        if given.get("assess") and not self._task.check_mode:
            # A question changes nothing; in check mode the answer stands for the run.
            result["changed"] = False
        # Known here: a host that lies would have the report say that it waits for its turn.
        result["predicted"] = self._only_asked(given)
        result["summary"] = summarised(result, (task_vars or {}).get("inventory_hostname", ""))
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
        with self._told(given, arguments, task_vars or {}):
            return run_module(self, task_vars or {}, options=arguments)

    @contextlib.contextmanager
    def _told(
        self, given: dict[str, t.Any], arguments: dict[str, t.Any], task_vars: dict[str, t.Any]
    ) -> t.Iterator[None]:
        """Tell on a terminal what the module, meanwhile, notes in a file on the host."""
        # Mitogen's connections are not for two threads.
        shared = type(self._connection).__module__.startswith("ansible_mitogen")
        if not TERMINAL or shared or self._only_asked(given) or not given.get("root"):
            yield
            return
        arguments["progress"] = os.path.join(given["root"], ".progress")
        over = threading.Event()
        # The module has the connection; a copy of it, with the same settings, makes calls of its own.
        words = (copy.copy(self._connection), arguments["progress"], task_vars, over)
        teller = threading.Thread(target=tell, args=words, daemon=True)
        teller.start()
        try:
            yield
        finally:
            over.set()
            teller.join(TELL_EVERY_S)

    def _bring(self, given: dict[str, t.Any], lacking: set[str], host: str) -> tuple[dict[str, str], int]:
        """Make the lacking files readable on the host; return their paths there by SHA-256, and the bytes."""
        items = [{"file": UV, **given["uv"]}] if given.get("uv") else []
        items = [item for item in [*items, *(given.get("files") or [])] if item["sha256"] in lacking]
        here = {item["sha256"]: self._on_controller(item) for item in items}
        return send(self, here, host, "files")

    def _on_controller(self, item: dict[str, t.Any]) -> str:
        path = os.path.abspath(os.path.expanduser(item["path"]))
        if not os.path.isfile(path):
            raise AnsibleActionFail(
                f"{item['file']} is not on the controller ({path}); wanted: the file with SHA-256 "
                f"{item['sha256']}. Resolve a new lock, which builds or downloads it again."
            )
        return path


def tell(connection: t.Any, path: str, task_vars: dict[str, t.Any], over: threading.Event) -> None:
    """Display now and again what the file at ``path`` on the host says: size and count first."""
    host, said = task_vars.get("inventory_hostname", ""), ""
    # Of many hosts at once each says less.
    pause = TELL_EVERY_S * max(1, len(task_vars.get("ansible_play_batch") or []) // 4)
    wait = _FIRST_LOOK_S
    while not over.wait(wait):
        wait = pause
        with contextlib.suppress(Exception):  # telling is no reason to fail
            code, output, _errors = connection.exec_command(f"cat {shlex.quote(path)}", sudoable=False)
            line = json.loads(output)["line"] if code == 0 else ""
            if line and line != said:
                Display().display(f"{host}: {line}")
                said = line


def complain_if_still_wanted(result: dict[str, t.Any]) -> None:
    """Make a result a failure when the module could not build for want of files that nobody gave."""
    names = [str(row.get("file")) for row in wanted_rows(result)]
    if names:
        result["failed"] = True
        result["changed"] = False
        result["rule"] = "env.files-missing"
        result["msg"] = (
            f"the build needs files that were not given: {', '.join(names)} (options uv and files); wanted: "
            "their paths on the controller. Let the whisperx_plan role lock this host."
        )
