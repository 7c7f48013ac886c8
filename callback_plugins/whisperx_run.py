# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Callback whisperx_run: the summary is last in a failed run; without a terminal, long steps are reported.

It is loaded because it lies beside the playbooks, whatever ansible.cfg says. If it is not, the summary is
printed by the task that makes it.
"""

from __future__ import annotations

DOCUMENTATION = r"""
name: whisperx_run
type: aggregate
author: The whisperx-fleet authors (@whisperx-fleet)
short_description: Summary at the end of a failed run, progress where there is no terminal
description:
  - Prints the summary of a run that did not end well after everything else; of a playbook without one, each
    reason once with its hosts.
  - Where standard output is no terminal, prints a line each minute that a task takes.
"""

import os
import sys
import threading
import time
import typing as t
from pathlib import Path

import ansible.plugins
from ansible.plugins.callback import CallbackBase
from ansible.utils.display import Display

# In a checkout, plugins are loaded below ansible.plugins; a collection has module_utils beside them already.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in ansible.plugins.__path__:
    ansible.plugins.__path__.append(_ROOT)

from ..module_utils.whisperx_common.wording import named, printable  # noqa: E402

# Which process has this callback; a task that reports asks for it.
MARK = "WHISPERX_RUN_CALLBACK"
_EVERY_S = 60.0
_NAMES = 3
# So many reasons of a playbook that has no summary of its own, each so long.
_REASONS = 10
_LONGEST = 600


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Prints what Ansible's own output does not have."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "whisperx_run"

    def __init__(self, *arguments: t.Any, **options: t.Any) -> None:
        super().__init__(*arguments, **options)
        os.environ[MARK] = str(os.getpid())
        self._summaries: list[list[str]] = []
        self._reasons: dict[str, str] = {}
        self._step = Step()
        if not sys.stdout.isatty() or os.environ.get("CI"):
            threading.Thread(target=self._step.tell, args=(_EVERY_S,), daemon=True).start()

    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        """Begin a step."""
        self._step.begin(task.get_name().strip())

    def v2_playbook_on_handler_task_start(self, task: t.Any) -> None:
        """Begin a step."""
        self._step.begin(task.get_name().strip())

    def v2_runner_on_start(self, host: t.Any, task: t.Any) -> None:
        """Note that a host works."""
        self._step.add(host.get_name())

    def v2_runner_on_ok(self, result: t.Any) -> None:
        """Note that a host is done; keep the summary of a run that did not end well."""
        self._done(result)
        if str(result.task.action).rpartition(".")[2] == "whisperx_report" and result.result.get("last"):
            self._summaries.append([str(line) for line in result.result["lines"]])

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        """Note that a host is done, and why it failed."""
        self._done(result)
        self._failed(result, "failed")

    def v2_runner_on_skipped(self, result: t.Any) -> None:
        """Note that a host is done."""
        self._done(result)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        """Note that a host is done, and why it did not respond."""
        self._done(result)
        self._failed(result, "unreachable")

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        """Print the summaries, or why hosts failed if there is none."""
        self._step.begin("")
        # What was rescued or ignored is no failure of the host.
        ended = [host for host in self._reasons if stats.failures.get(host) or stats.dark.get(host)]
        for summary in self._summaries or [reasons({host: self._reasons[host] for host in ended})]:
            if summary:
                Display().display("\n".join(summary))
        self._summaries, self._reasons = [], {}

    def _failed(self, result: t.Any, state: str) -> None:
        text = printable(" ".join(str(result.result.get("msg") or "see above").split()))
        self._reasons[result.host.get_name()] = f"{state}: {text[:_LONGEST]}"

    def _done(self, result: t.Any) -> None:
        self._step.done(result.host.get_name())


class Step:
    """The task that runs, and the hosts that work at it."""

    def __init__(self) -> None:
        self._name, self._since = "", 0.0
        self._hosts: dict[str, None] = {}
        self._count = 0
        self._over = threading.Event()
        self._lock = threading.Lock()

    def begin(self, name: str) -> None:
        """Note the task; what was noted of the one before is gone."""
        with self._lock:
            self._name, self._since, self._hosts, self._count = name, time.monotonic(), {}, 0

    def add(self, host: str) -> None:
        """Note a host that begins."""
        with self._lock:
            self._hosts[host] = None
            self._count += 1

    def done(self, host: str) -> None:
        """Note a host that ends."""
        with self._lock:
            self._hosts.pop(host, None)

    def end(self) -> None:
        """Say nothing any more."""
        self._over.set()

    def tell(self, every: float) -> None:
        """Print a line each time that a task has taken so many seconds more, until the end."""
        told = 0.0
        while not self._over.wait(every / 12):
            with self._lock:
                began, hosts, line = self._since, list(self._hosts), self._line()
            if hosts and time.monotonic() - max(began, told) >= every:
                told = time.monotonic()
                Display().display(line)

    def _line(self) -> str:
        """Return how long the task has run, and for whom."""
        hosts = list(self._hosts)
        minutes = (time.monotonic() - self._since) / 60
        of = f"{len(hosts)} of {self._count} hosts: " if self._count > 1 else ""
        return f"still running after {minutes:.0f} min: {self._name} ({of}{named(hosts, _NAMES)})"


def reasons(hosts: t.Mapping[str, str]) -> list[str]:
    """Return each reason once with its hosts, the most frequent first. ``hosts``: host to reason."""
    found: dict[str, list[str]] = {}
    for host, reason in hosts.items():
        found.setdefault(reason, []).append(host)
    order = sorted(found.items(), key=lambda one: -len(one[1]))
    lines = [f"{named(names, _NAMES)}: {reason}" for reason, names in order[:_REASONS]]
    more = len(order) - _REASONS
    return [*lines, f"and {more} more reasons, see above"] if more > 0 else lines
