"""Action plugin of whisperx_report: reports what the tasks of a run left in the variables of all hosts."""

from __future__ import annotations

import datetime
import os
import typing as t
from pathlib import Path

import ansible.plugins
from ansible.utils.display import Display

# In a checkout, plugins are loaded below ansible.plugins; a collection has module_utils beside them already.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in ansible.plugins.__path__:
    ansible.plugins.__path__.append(_ROOT)

from ..module_utils.whisperx_action.action import ControllerAction, validated  # noqa: E402
from ..module_utils.whisperx_fleet.variables import Fleet  # noqa: E402
from ..module_utils.whisperx_report.files import ARGUMENTS, write_report  # noqa: E402
from ..module_utils.whisperx_report.hosts import begun, known, notes  # noqa: E402


class ActionModule(ControllerAction):
    """Runs whisperx_report."""

    def answer(
        self, given: dict[str, t.Any], variables: t.Mapping[str, t.Any], fleet: Fleet
    ) -> dict[str, t.Any]:
        """Write the report of the play's hosts; return its totals and lines."""
        given.setdefault("hosts", begun(fleet))
        given.setdefault("known", known(fleet, variables))
        run = {
            "at": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "check": bool(self._task.check_mode),
            "notes": notes(variables),
        }
        result, unwritten = write_report(validated({**given, "run": {**run, **given["run"]}}, ARGUMENTS))
        for sentence in unwritten:
            Display().warning(sentence)
        # The callback whisperx_run prints the lines of such a run last, where a reader looks first.
        shown = given.get("shown", True)
        printed = os.environ.get("WHISPERX_RUN_CALLBACK") in {str(os.getpid()), str(os.getppid())}
        return {**result, "last": bool(shown and printed and result["unwell"])}
