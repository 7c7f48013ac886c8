"""The command line of the probe as it lies beside an installed environment.

    <release>/launch/python <release>/verify/probe.py [--level LEVEL] [--device cpu|cuda]

Without options it repeats what was asked when the environment was made. Exit code 0: proved; 1: something
failed; 2: wrong usage.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from typing import Any, Dict, List, Optional

from .records import LEVELS, USUAL, Check, Request
from .session import conditions
from .supervise import DEFAULT_TIMEOUT, supervise

__all__ = ["main"]

PLAN = "plan.json"
# What shells report for a program that Ctrl-C ended.
INTERRUPTED = 130


def main(directory: str, arguments: Optional[List[str]] = None) -> int:
    """Run as command or as child, with the probe files in ``directory``; return the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    if len(given) == 2 and given[0] == "--child":
        from .child import run_child

        with open(given[1], encoding="utf-8") as stream:
            return run_child(json.load(stream))
    known = _known(directory)
    options = _parser(known).parse_args(given)
    request = Request.read(dict(known, level=options.level, device=options.device))
    with tempfile.TemporaryDirectory(prefix="whisperx-verify-") as scratch:
        try:
            report = supervise(request, [sys.executable], directory, scratch, options.timeout)
        except KeyboardInterrupt:
            return INTERRUPTED
    # The release is the directory above the probe's.
    found = conditions([os.path.dirname(os.path.abspath(directory))])
    report["conditions"] = [item.found for item in found]
    text = json.dumps(report, indent=1) if options.json else _table(report)
    sys.stdout.write(text + "\n")
    return 0 if report["ok"] else 1


def _known(directory: str) -> Dict[str, Any]:
    """Return what was asked when the environment was made, {} when nothing is recorded."""
    try:
        with open(os.path.join(directory, PLAN), encoding="utf-8") as stream:
            record = json.load(stream)
        return record if isinstance(record, dict) else {}
    except (OSError, ValueError):
        return {}


def _parser(known: Dict[str, Any]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="probe.py", description="Verify that this WhisperX environment works."
    )
    parser.add_argument("--level", choices=LEVELS, default=known.get("level", USUAL))
    parser.add_argument("--device", choices=("cpu", "cuda"), default=known.get("device", "cpu"))
    parser.add_argument(
        "--timeout",
        type=float,
        default=DEFAULT_TIMEOUT,
        metavar="SECONDS",
        help="how long one level may take",
    )
    parser.add_argument("--json", action="store_true", help="print the whole report as JSON")
    return parser


def _table(report: Dict[str, Any]) -> str:
    lines = [Check(**record).line() for record in report["checks"]]
    word = "verified" if report["ok"] else "NOT verified"
    lines += [f"this session: {sentence}" for sentence in report["conditions"]]
    lines.append(f"{word}: {report['level']} on {report['device']}, {report['seconds']:.1f} s")
    return "\n".join(lines)
