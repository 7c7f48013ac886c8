"""Action plugin of whisperx_wheelhouse: tells how far a download is, and names the run to the server.

A module cannot write to the terminal. It notes its progress in a small file instead, and this plugin, which
runs beside it on the controller, tells of it. Where nobody looks, on no terminal or in CI, it is silent.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import typing as t
from pathlib import Path

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

# Seen where the plugin is loaded, in ansible-playbook's own process: the workers have no terminal.
TERMINAL = sys.stdout.isatty() and not os.environ.get("CI")
_LOOK_EVERY_S = 0.5
_TELL_EVERY_S = 5.0


class ActionModule(ActionBase):
    """Runs whisperx_wheelhouse."""

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the module's result."""
        super().run(tmp, task_vars)
        given = self.arguments(task_vars or {})
        if not TERMINAL or self._connection.transport != "local":
            return self._execute_module(module_args=given, task_vars=task_vars)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "progress.json"
            over = threading.Event()
            teller = threading.Thread(target=tell, args=(path, over), daemon=True)
            teller.start()
            try:
                return self._execute_module(module_args={**given, "progress": str(path)}, task_vars=task_vars)
            finally:
                over.set()
                teller.join()

    def arguments(self, variables: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Return the module's arguments."""
        # A worker's parent is ansible-playbook, and the server is to live as long as that.
        return {**self._task.args, "serves": os.getppid()}


def tell(path: Path, over: threading.Event) -> None:
    """Display what the file at ``path`` says: its first line at once, then now and again how far it is."""
    said, waited, last = "", _TELL_EVERY_S, False
    while not last:
        last = over.wait(_LOOK_EVERY_S)
        waited += _LOOK_EVERY_S
        try:
            state = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        line = state["line"] if said else state.get("first", state["line"])
        if line and line != said and (waited >= _TELL_EVERY_S or last):
            said, waited = line, 0.0
            Display().display(line)
