"""Run the tests, side by side as far as the machine allows, and close with one honest count.

    python tools/run_tests.py [check|lint|unit|integration|test|test-all|molecule [SCENARIO ...]] [--keep]

A linter counts as one test, a run of pytest as its tests, a molecule scenario as one. Every job runs,
whatever became of the others; its output is printed whole when it ends. The exit status is 1 when anything
failed. The end names what took longest and what failed, with the lines that say why, so that the tail of a
log is enough; the last line is `N passed, N failed` (`, N skipped` when there are any).
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.suite.count import Count, count_command, count_junit, reasons, slowest
from tools.suite.jobs import ROOT, SECTIONS, limit, scenarios, select
from tools.suite.schedule import Files, Job, Result, Runner

__all__ = ["main"]


class Console:
    """Says what starts and ends, prints a job's output when it has ended, and counts."""

    def __init__(self) -> None:
        self.count = Count()

    def started(self, job: Job, beside: Sequence[Job], live: bool) -> None:
        """Say that a job starts; the output of a live one follows."""
        others = ", ".join(one.title for one in beside)
        print(
            f"-- {time.strftime('%H:%M:%S')} {job.title}{f', beside {others}' if others else ''}", flush=True
        )
        if live:
            self.head(job)

    def ended(self, result: Result, files: Files) -> None:
        """Print what a job wrote and how it ended, and count it."""
        job = result.job
        if not result.live:
            self.head(job)
            if files.output(job).exists():
                with files.output(job).open("rb") as text:
                    shutil.copyfileobj(text, sys.stdout.buffer)
                sys.stdout.flush()
        end = f"FAILED, {result.failure}" if result.failure else "ok"
        times = f"{result.seconds:.0f} s, {result.processor:.0f} s of processor time"
        print(f"{job.title}: {end} in {times}", flush=True)
        if job.tests and not result.failure.startswith("not run"):
            self.count += count_junit(files.report(job), result.failure)
        else:
            why = reasons(files.output(job)) if result.failure else ()
            self.count += count_command(job.title, result.failure, result.seconds, why)

    @staticmethod
    def head(job: Job) -> None:
        """Print the line above a job's output."""
        print(f"\n==== {job.title} {'=' * max(4, 100 - len(job.title))}", flush=True)


def run(jobs: Sequence[Job], seconds: float) -> Count:
    """Run jobs in the project's root; return the count. Much of the work waits, hence one more than cores."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="whisperx-tests-") as folder:
        files = Files(Path(folder))
        Runner(ROOT, files, (os.cpu_count() or 1) + 1, console).run(jobs, seconds)
    return console.count


def interrupt(*_: object) -> None:
    """End as a keyboard interrupt does, which stops every job; once is enough."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def main(arguments: list[str]) -> int:
    """Run what the arguments name; return the exit status."""
    parser = argparse.ArgumentParser(description="Run the project's tests.")
    parser.add_argument("section", nargs="?", choices=SECTIONS, default="test", help="only this one")
    parser.add_argument("scenario", nargs="*", help="only these molecule scenarios")
    parser.add_argument("--keep", action="store_true", help="keep images and downloads for the next run")
    options = parser.parse_args(arguments)
    unknown = set(options.scenario).difference(scenarios())
    if unknown:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}; there are {', '.join(scenarios())}")
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # As in a user's shell: else each of hundreds of runs of Ansible compiles the toolkit anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if not sys.stdout.isatty():
        os.environ.setdefault("NO_COLOR", "1")
    signal.signal(signal.SIGTERM, interrupt)
    try:
        count = run(select(options.section, options.scenario), limit(options.section))
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        return 130
    finally:
        if options.section in ("molecule", "test") and not options.keep:
            subprocess.run(["tools/lab/clean"], cwd=ROOT, check=False)
    print("\nslowest:", *slowest(count), "", sep="\n")
    print(*(f"failed: {name}" for name in count.names), count, sep="\n", flush=True)
    return 1 if count.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
