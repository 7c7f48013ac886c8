"""Scheduling: which jobs may start beside those that run, and running them.

Every job ends: by itself, at its own limit, or at that of the whole run. Nothing waits for what cannot come:
a job whose requirement failed is failed, and an idle machine takes the first job whatever it costs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

__all__ = ["Files", "Job", "Listener", "Result", "Runner", "choose"]

_POLL = 0.1
_GRACE = 10.0


@dataclass(frozen=True)
class Job:
    """One command. `cost` is its share of the machine's capacity, `holds` what no other may use meanwhile.

    It starts when the jobs `after` have ended, and only if those of `needs` passed; titles that are not in
    the run are no obstacle. `limit` is in seconds. A job with `tests` is pytest's; it writes its report to
    the word `{report}` of the command.
    """

    title: str
    command: tuple[str, ...]
    cost: int = 1
    holds: frozenset[str] = frozenset()
    after: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    limit: float = 2400.0
    tests: bool = False


@dataclass(frozen=True)
class Result:
    """How a job ended: `failure` in words, "" for success; wall-clock and processor time in seconds."""

    job: Job
    failure: str
    seconds: float = 0.0
    processor: float = 0.0
    live: bool = False


def choose(
    waiting: Sequence[Job], running: Sequence[Job], passed: dict[str, bool], capacity: int
) -> tuple[Job | None, str]:
    """Return the job to deal with now and why it cannot start, "" if it can; None: wait for one that runs.

    `passed` has the outcome of every job that has ended.
    """
    free = capacity - sum(job.cost for job in running)
    held = {name for job in running for name in job.holds}
    pending = {job.title for job in (*waiting, *running)}
    for job in waiting:
        lost = [title for title in job.needs if passed.get(title) is False]
        if lost:
            return job, f"not run, {lost[0]} failed"
        if pending & {*job.after, *job.needs}:
            continue
        if running and job.holds & held:
            continue
        # No smaller one overtakes a job that waits for room: it would wait for all of them.
        return (job, "") if job.cost <= free or not running else (None, "")
    if waiting and not running:
        return waiting[0], "not run, it waits for itself"
    return None, ""


@dataclass
class _Running:
    job: Job
    process: subprocess.Popen[bytes]
    start: float
    live: bool
    processor: float = 0.0

    def poll(self) -> int | None:
        """Return the exit status, None while it runs; note the processor time of what it waited for."""
        pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
        if not pid:
            return None
        self.processor = usage.ru_utime + usage.ru_stime
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return self.process.returncode

    def stop(self) -> None:
        """End the job with everything it started in its process group."""
        deadline = time.monotonic() + _GRACE
        self.signal(signal.SIGTERM)
        while self.process.returncode is None and self.poll() is None and time.monotonic() < deadline:
            time.sleep(_POLL)
        self.signal(signal.SIGKILL)
        try:
            self.process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            pass  # Stuck in the kernel: the run goes on without it.

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group, which may be gone."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass


@dataclass(frozen=True)
class Files:
    """Where outputs and reports lie: in `folder`, named after the job."""

    folder: Path

    def output(self, job: Job) -> Path:
        """Return where a job's output lies; a live one has none."""
        return self.folder / f"{job.title.replace(' ', '-')}.log"

    def report(self, job: Job) -> Path:
        """Return where a job's report of pytest lies."""
        return self.folder / f"{job.title.replace(' ', '-')}.xml"


class Listener(Protocol):
    """Hears of each job that starts and ends."""

    def started(self, job: Job, beside: Sequence[Job], live: bool) -> None:
        """`beside`: the jobs that run already; `live`: it writes to this program's own output."""

    def ended(self, result: Result, files: Files) -> None:
        """The output is complete."""


class Runner:
    """Runs jobs in the directory `cwd`. The last one, beside which nothing can run, is live."""

    def __init__(self, cwd: Path, files: Files, capacity: int, listener: Listener) -> None:
        self.cwd, self.files, self.capacity, self.listener = cwd, files, capacity, listener
        self.running: list[_Running] = []

    def run(self, jobs: Sequence[Job], limit: float) -> list[Result]:
        """Run all jobs, in at most `limit` seconds; return how each ended, in that order."""
        until = time.monotonic() + limit
        waiting, results = list(jobs), list[Result]()
        try:
            while waiting or self.running:
                passed = {result.job.title: not result.failure for result in results}
                running = [one.job for one in self.running]
                job, failure = choose(waiting, running, passed, self.capacity)
                if time.monotonic() >= until and waiting:
                    job, failure = waiting[0], "not run, the time of the whole run is over"
                ends = self._ends(until)
                if job:
                    waiting.remove(job)
                    live = not (waiting or running)
                    ends += [Result(job, failure)] if failure else self._start(job, live)
                for result in ends:
                    results.append(result)
                    self.listener.ended(result, self.files)
                if not (job or ends):
                    time.sleep(_POLL)
        finally:
            for one in self.running:
                one.stop()
        return results

    def _start(self, job: Job, live: bool) -> list[Result]:
        """Start a job; return its end if its program cannot be started."""
        command = [word.replace("{report}", str(self.files.report(job))) for word in job.command]
        self.listener.started(job, [one.job for one in self.running], live)
        with self.files.output(job).open("wb") as output:
            try:
                process = subprocess.Popen(
                    command,
                    cwd=self.cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=None if live else output,
                    stderr=None if live else subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                return [Result(job, f"{command[0]} cannot be started: {error.strerror}", live=live)]
        self.running.append(_Running(job, process, time.monotonic(), live))
        return []

    def _ends(self, until: float) -> list[Result]:
        """Return the jobs that have ended, or whose time is over, which ends them."""
        found = []
        for one in list(self.running):
            seconds = time.monotonic() - one.start
            code = one.poll()
            if code is None and seconds < one.job.limit and time.monotonic() < until:
                continue
            failure = f"exit {code}" if code else ""
            if code is None:
                failure = f"stopped after {seconds:.0f} s"
            one.stop()
            self.running.remove(one)
            found.append(Result(one.job, failure, seconds, one.processor, one.live))
        return found
