"""Counting: outcomes of jobs and of the tests in pytest's report, and how long each took."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Count", "count_command", "count_junit", "reasons", "slowest"]

# How Ansible, molecule, linters and Python begin the line that says what went wrong.
_REASON = re.compile(
    r"\s*(?:fatal: |failed: |\[?(?:ERROR|CRITICAL)\b|[\w.]*(?:Error|Exception)\b|\S+:\d+: |Task failed)"
)
_TASK = re.compile(r"TASK \[")
_LINES, _WIDTH = 8, 400


@dataclass(frozen=True)
class Count:
    """Tests by outcome; `names` has a line for each that failed, `seconds` how long each took."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    names: tuple[str, ...] = ()
    seconds: tuple[tuple[str, float], ...] = ()

    def __add__(self, other: Count) -> Count:
        return Count(
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
            self.names + other.names,
            self.seconds + other.seconds,
        )

    def __str__(self) -> str:
        line = f"{self.passed} passed, {self.failed} failed"
        return f"{line}, {self.skipped} skipped" if self.skipped else line


def count_command(title: str, failure: str, seconds: float = 0.0, why: tuple[str, ...] = ()) -> Count:
    """Count a command that is one test; `failure` says how it failed, "" for success, `why` what it wrote."""
    if failure:
        name = "\n    ".join((f"{title}: {failure}", *why))
        return Count(failed=1, names=(name,), seconds=((title, seconds),))
    return Count(passed=1, seconds=((title, seconds),))


def reasons(path: Path) -> tuple[str, ...]:
    """Return the last lines of an output that say what went wrong, each after its task's, cut to a width."""
    found: list[str] = []
    task = ""
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ()
    for line in lines:
        if _TASK.match(line):
            task = line.rstrip(" *")
        elif _REASON.match(line):
            found += [one[:_WIDTH] for one in (task, line.rstrip()) if one]
            task = ""
    return tuple(found[-_LINES:])


def count_junit(path: Path, failure: str) -> Count:
    """Count the outcomes in a JUnit file of a pytest that ended with `failure`, "" for success.

    A failure that left no test case (a crash, an interrupt, a collection without tests) still counts as one.
    """
    try:
        suite = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError):
        return Count(failed=1, names=(f"pytest: {failure or 'no tests'}, no report",))
    suites = [suite] if suite.tag == "testsuite" else list(suite)
    total, bad, skipped = (
        sum(int(s.get(key, "0")) for s in suites for key in keys)
        for keys in (("tests",), ("failures", "errors"), ("skipped",))
    )
    cases = [case for suite in suites for case in suite]
    names = [line for case in cases for line in _failures(case)]
    if failure and bad == 0:
        bad, total, names = 1, total + 1, [f"pytest: {failure}, no test failed"]
    seconds = tuple((_title(case), float(case.get("time", "0"))) for case in cases)
    return Count(total - bad - skipped, bad, skipped, tuple(names), seconds)


def slowest(count: Count, number: int = 10) -> list[str]:
    """Return a line for each of the tests that took longest, longest first."""
    ordered = sorted(count.seconds, key=lambda row: -row[1])[:number]
    return [f"{seconds:7.1f} s  {title}" for title, seconds in ordered]


def _title(case: ElementTree.Element) -> str:
    return f"{case.get('classname', '')}::{case.get('name', '')}"


def _failures(case: ElementTree.Element) -> list[str]:
    """Return a line for each failure of a test case: its name and how the message begins."""
    return [
        f"{_title(case)}: {(end.get('message') or '').strip().partition(chr(10))[0][:300]}"
        for end in case
        if end.tag in {"failure", "error"}
    ]
