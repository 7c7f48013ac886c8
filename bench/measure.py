"""What the figures have in common: a row of the table, and how a command is run and timed."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

__all__ = ["ROOT", "Row", "pairs", "run", "tasks", "timed", "variables"]

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Row:
    """One line of the table. `seconds` are what was measured, `against` what it is compared with."""

    title: str
    seconds: list[float]
    against_title: str = ""
    against: list[float] | None = None
    bound: str = ""
    unit: str = "s"

    @property
    def ratio(self) -> float | None:
        if not self.against:
            return None
        return statistics.median(self.seconds) / statistics.median(self.against)

    def median(self, values: list[float]) -> str:
        return f"{statistics.median(values):8.2f} {self.unit:<3} {numbers(values)}"

    def lines(self) -> list[str]:
        shown = f"{self.title:<58} {self.median(self.seconds)}"
        if self.against is None:
            return [f"{shown}   bound {self.bound}"]
        return [
            shown,
            f"  {self.against_title:<56} {self.median(self.against)}",
            f"  {'ratio':<56} {self.ratio:8.2f}     bound {self.bound}",
        ]


def numbers(values: list[float]) -> str:
    return "[" + " ".join(f"{value:.2f}" for value in values) + "]"


def run(command: list[str], accept: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
    """Run in the project's root; raise with the output when the exit status is not accepted."""
    result = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    if result.returncode not in accept:
        raise RuntimeError(
            f"{' '.join(command)} ended with {result.returncode}:\n{result.stdout}\n{result.stderr}"
        )
    return result


def timed(command: list[str]) -> float:
    start = time.monotonic()
    run(command)
    return time.monotonic() - start


def pairs(
    repeat: int, ours: Callable[[], float], theirs: Callable[[], float]
) -> tuple[list[float], list[float]]:
    """Measure both in turn, so that a busy moment of the machine meets both."""
    measured = [(ours(), theirs()) for _ in range(repeat)]
    return [pair[0] for pair in measured], [pair[1] for pair in measured]


def variables(**values: object) -> list[str]:
    return ["--extra-vars", json.dumps(values)]


def tasks(command: list[str], *names: str) -> float:
    """Run a playbook; return the seconds its tasks of these names took, module start included."""
    environment = os.environ | {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
    result = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {result.returncode}:\n{result.stdout}")
    told = [one["task"] for play in json.loads(result.stdout)["plays"] for one in play["tasks"]]
    # A task of ours may run twice: asked what has to change, then told to do it. Both count.
    mine = [one for one in told if one["name"].rpartition(" : ")[2] in names]
    if {one["name"].rpartition(" : ")[2] for one in mine} != set(names):
        raise RuntimeError(f"{' '.join(command)} has no tasks {names}: {[one['name'] for one in told]}")
    spans = [one["duration"] for one in mine]
    return sum(moment(span["end"]) - moment(span["start"]) for span in spans)


def moment(text: str) -> float:
    """Return a time of the callback, such as 2026-11-23T20:31:05.123456Z, in seconds."""
    return datetime.fromisoformat(text).timestamp()
