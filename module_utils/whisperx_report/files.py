"""The files that a report leaves, and what its module returns."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..whisperx_common.conditions import RETRY
from ..whisperx_common.output import Output
from ..whisperx_common.shape import ANY, fitted
from ..whisperx_problem import Problem
from .collect import render_json, report
from .page import render
from .terminal import lines

__all__ = ["ARGUMENTS", "write_report"]

ARGUMENTS: dict[str, Any] = {
    "hosts": {"type": "list", "elements": "str", "required": True},
    "known": {"type": "dict", "required": True},
    "run": {"type": "dict", "required": True},
    "output": {"type": "path", "default": ""},
    "page": {"type": "path", "default": ""},
    "resume": {"type": "path", "default": ""},
    "moved": {"type": "path", "default": ""},
    "shown": {"type": "bool", "default": True},
    "templates": {"type": "path", "required": True},
}


def write_report(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Write the requested files; return the module's result, and what could not be written."""
    record = report(given["hosts"], given["known"], given["run"])
    rows = record["hosts"]
    unwell = [name for name, row in rows.items() if row["state"] in RETRY]
    places, unwritten = leave(given, record, unwell)
    results = fitted(given["known"].get("result"), {ANY: {"summary": [""]}})
    summaries = {name: (results.get(name) or {}).get("summary") or [] for name in given["hosts"]}
    result = {
        "last": False,
        "totals": record["totals"],
        "changed_hosts": record["changed"],
        "unwell": unwell,
        "outcomes": {name: {key: rows[name][key] for key in ("state", "message")} for name in unwell},
        "lines": [*lines(record, summaries), *places, *unwritten],
        "ansible_stats": {
            "data": {"whisperx": statistics(record, unwell)},
            "per_host": False,
            "aggregate": True,
        },
    }
    return result, unwritten


def statistics(record: dict[str, Any], unwell: list[str]) -> dict[str, Any]:
    """Return the run as counts, for the program that started it."""
    return {
        "schema": record["schema"],
        "playbook": record["run"].get("playbook", ""),
        "check": bool(record["run"].get("check")),
        "hosts": len(record["hosts"]),
        "changed": record["changed"],
        "bytes": record["bytes"],
        "states": record["totals"],
        "classes": record["classes"],
        "unwell": unwell,
    }


def leave(given: Mapping[str, Any], record: dict[str, Any], unwell: list[str]) -> tuple[list[str], list[str]]:
    """Write the requested files; return lines that say where they are, and what was not written.

    A file that cannot be written fails nothing: the summary must still be printed.
    """
    places: list[str] = []
    unwritten: list[str] = []

    def put(option: str, text: Callable[[], str], line: str) -> None:
        try:
            if given[option]:
                write(given[option], text(), f"whisperx_report_{option}")
                places.extend([line + os.path.realpath(given[option])] if line else [])
        except Problem as problem:
            unwritten.append(problem.sentence())

    put("output", lambda: render_json(record), "")
    put("page", lambda: render(record, given["templates"]), "report: ")
    put("resume", lambda: listed(unwell), "again: --limit @" if unwell else "")
    moved = [name for name, row in record["hosts"].items() if row["moved_from"]]
    put("moved", lambda: listed(moved), "to go back: rollback with --limit @" if moved else "")
    return places, unwritten


def listed(names: Iterable[str]) -> str:
    """Return the names as a file for --limit has them, one a line."""
    return "".join(f"{name}\n" for name in names)


def write(path: str, text: str, option: str) -> None:
    """Put the text in place of the file, whole or not at all; without text no file of an earlier run stays.

    Raises Problem "report.output", "report.untrusted-directory".
    """
    output = Output(option, path)
    output.check()
    remedy = f"Name another file ({option}), or another directory for all of them (whisperx_report_dir)."
    try:
        if text:
            os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        elif os.path.isfile(path):
            os.unlink(path)
    except OSError as error:
        raise output.failed(error, remedy) from None
    if text:
        output.write(text, remedy)
