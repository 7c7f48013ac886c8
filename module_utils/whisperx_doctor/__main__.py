"""The doctor as a command, for a host without Ansible: Python 3.8 and a checkout.

    tools/doctor [PATH ...]                       in any directory
    python3 -m module_utils.whisperx_doctor PATH  in the checkout

Exit codes: 0 fit, 1 unfit, 2 could not tell (or wrong usage).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any, Dict, List, Optional

from ..whisperx_problem import Problem
from .consult import Where, consult
from .records import EXIT_CODES, Asked

__all__ = ["main"]

DEFAULT_PATH = "/opt/whisperx"
KNOWLEDGE = os.path.join("roles", "whisperx_doctor", "files", "knowledge.json")
INTERRUPTED = 130


def main(arguments: Optional[List[str]] = None) -> int:
    """Consult the doctor; return the exit code."""
    options = _parser().parse_args(arguments)
    paths = options.path or ([] if options.find or options.log else [DEFAULT_PATH])
    where = Where(paths, options.find, options.python, options.log)
    try:
        asked = Asked(options.level, options.device, options.timeout, _variables(options.set), options.root)
        told = consult(where, asked, _knowledge(options.knowledge))
    except (Problem, ValueError) as problem:
        sys.stderr.write("{}\n".format(problem.sentence() if isinstance(problem, Problem) else problem))
        return EXIT_CODES["unknown"]
    except KeyboardInterrupt:
        return INTERRUPTED
    for sentence in told["warnings"]:
        sys.stderr.write("warning: {}\n".format(sentence))
    try:
        text = json.dumps(told, indent=1) if options.json else "\n".join(told["page"])
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has read enough; the verdict stands
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return int(told["exit_code"])


def _knowledge(path: str) -> Dict[str, Any]:
    file = path or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", KNOWLEDGE)
    try:
        with open(file, encoding="utf-8") as stream:
            document: Dict[str, Any] = json.load(stream)
        return document
    except (OSError, ValueError) as problem:
        raise Problem(
            "doctor.rows",
            f"the failure rows cannot be read: {problem}",
            os.path.normpath(file),
            "the file that make docs writes",
            "Use the whole checkout, or name the file with --knowledge.",
        ) from problem


def _variables(given: List[str]) -> Dict[str, str]:
    """Return NAME=VALUE words as a dictionary; ValueError for others."""
    for word in given:
        if "=" not in word[1:]:
            raise ValueError(f"--set {word}: wanted NAME=VALUE")
    return {word.partition("=")[0]: word.partition("=")[2] for word in given}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="doctor",
        description="Report why a WhisperX environment does not work. Changes nothing.",
        epilog="Exit codes: 0 fit, 1 unfit, 2 unknown.",
    )
    parser.add_argument("path", nargs="*", help=f"root, venv, Python or site-packages ({DEFAULT_PATH})")
    parser.add_argument("--find", action="store_true", help="search the usual places of this host as well")
    parser.add_argument(
        "--log", action="append", default=[], metavar="FILE", help="file with the output of a failure"
    )
    parser.add_argument("--level", choices=("audit", "import", "kernels", "pipeline"), default="pipeline")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="environment variable for the run"
    )
    parser.add_argument(
        "--python", default="", metavar="FILE", help="interpreter for a bare directory of packages"
    )
    parser.add_argument(
        "--root", default="/", help="directory of a mounted system; its files are audited, not run"
    )
    parser.add_argument("--timeout", type=float, default=600.0, metavar="SECONDS", help="for each level")
    parser.add_argument("--knowledge", default="", metavar="FILE", help="other failure rows, as JSON")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
