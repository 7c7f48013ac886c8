"""Run the tests in sections, cheap ones first, and close with one honest count.

    python tools/run_tests.py [lint|unit|integration|molecule [SCENARIO]] [--keep]

A linter counts as one test, a pytest section as its tests, a molecule scenario as one. Every section runs,
whatever became of the one before; the exit status is 1 when anything failed. The end names what failed, a
line each, so that the tail of a log is enough; the last line is `N passed, N failed` (`, N skipped` when
there are any).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Count", "count_junit", "main"]

ROOT = Path(__file__).resolve().parent.parent

LINTERS = (
    ("ruff", ["ruff", "check", "--quiet", "."]),
    ("mypy", ["mypy"]),
    ("yamllint", ["yamllint", "--strict", "."]),
    ("ansible-lint", ["ansible-lint", "--offline", "--strict", "-q"]),
)
# Unit tests share the cores; integration tests start containers and machines, one at a time.
PYTEST = {
    "unit": ["--numprocesses=auto", "--dist=worksteal", "tests/unit", "tests/contract"],
    "integration": ["tests/integration"],
}
SECTIONS = ("lint", "unit", "integration", "molecule")


@dataclass(frozen=True)
class Count:
    """Tests of one section by outcome; `names` has a line for each that failed."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    names: tuple[str, ...] = ()

    def __add__(self, other: Count) -> Count:
        return Count(
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
            self.names + other.names,
        )

    def __str__(self) -> str:
        line = f"{self.passed} passed, {self.failed} failed"
        return f"{line}, {self.skipped} skipped" if self.skipped else line


def head(title: str) -> None:
    print(f"\n==== {title} {'=' * max(4, 100 - len(title))}", flush=True)


def run(command: list[str]) -> int:
    """Run in the project's root, output passed through. A missing program is a failure, not a traceback."""
    try:
        return subprocess.run(command, cwd=ROOT, check=False).returncode
    except FileNotFoundError:
        print(f"{command[0]} is not installed in this environment: make test makes it", flush=True)
        return 127


def one(title: str, command: list[str]) -> Count:
    """Run a command that counts as one test, and say how it ended and how long it took."""
    head(title)
    start = time.monotonic()
    code = run(command)
    end = "ok" if code == 0 else f"FAILED, exit {code}"
    print(f"{title}: {end} in {time.monotonic() - start:.0f} s", flush=True)
    return Count(passed=1) if code == 0 else Count(failed=1, names=(f"{title}: exit {code}",))


def named(case: ElementTree.Element) -> list[str]:
    """A line for each failure of a test case: its name and how the message begins."""
    title = f"{case.get('classname', '')}::{case.get('name', '')}"
    return [
        f"{title}: {(end.get('message') or '').strip().partition(chr(10))[0][:300]}"
        for end in case
        if end.tag in {"failure", "error"}
    ]


def count_junit(path: Path, code: int) -> Count:
    """Count the outcomes in a JUnit file of pytest that ended with `code`.

    A failure that left no test case (a crash, an interrupt, a collection without tests) still counts as one.
    """
    try:
        suite = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError):
        return Count(failed=1, names=(f"pytest: exit {code}, no report",))
    suites = [suite] if suite.tag == "testsuite" else list(suite)
    total, bad, skipped = (
        sum(int(s.get(key, "0")) for s in suites for key in keys)
        for keys in (("tests",), ("failures", "errors"), ("skipped",))
    )
    names = [line for suite in suites for case in suite for line in named(case)]
    if code != 0 and bad == 0:
        bad, total, names = 1, total + 1, [f"pytest: exit {code}, no test failed"]
    return Count(passed=total - bad - skipped, failed=bad, skipped=skipped, names=tuple(names))


def lint() -> Count:
    return sum((one(title, command) for title, command in LINTERS), Count())


def pytest_section(name: str) -> Count:
    head(f"{name} tests")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "junit.xml"
        code = run([sys.executable, "-m", "pytest", "-ra", f"--junitxml={report}", *PYTEST[name]])
        return count_junit(report, code)


def scenarios() -> list[str]:
    return sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml"))


def molecule(names: list[str], keep: bool) -> Count:
    """Build the images, run the scenarios one after another, remove what they made unless `keep`."""
    try:
        images = one("molecule images", ["tools/lab/build_images"])
        if images.failed:
            return images
        command = ["tools/lab/with", "molecule", "test", "--no-command-borders", "-s"]
        return sum((one(f"molecule {name}", [*command, name]) for name in names), images)
    finally:
        if not keep:
            run(["tools/lab/clean"])


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Run the project's tests.")
    parser.add_argument("section", nargs="?", choices=SECTIONS, help="only this one")
    parser.add_argument("scenario", nargs="*", help="only these molecule scenarios")
    parser.add_argument("--keep", action="store_true", help="keep images and downloads for the next run")
    options = parser.parse_args(arguments)
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    if not sys.stdout.isatty():
        os.environ.setdefault("NO_COLOR", "1")
    total = Count()
    for section in [options.section] if options.section else SECTIONS:
        if section == "lint":
            total += lint()
        elif section == "molecule":
            total += molecule(options.scenario or scenarios(), options.keep)
        else:
            total += pytest_section(section)
    print("", *(f"failed: {name}" for name in total.names), total, sep="\n", flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
