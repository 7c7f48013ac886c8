"""The diagnosis as a page for somebody who is tired: what is wrong, how it shows, what to do."""

from __future__ import annotations

import textwrap
from typing import Any, Dict, List, Mapping

from ..whisperx_common.conditions import FIT, UNFIT, UNKNOWN

__all__ = ["LOG", "lines"]

# The kind of a diagnosis of logs without an environment.
LOG = "log"

_WIDTH = 100
_WORDS = {
    FIT: "FIT: it works",
    UNFIT: "UNFIT: it does not work",
    UNKNOWN: "UNKNOWN: it was not run",
}
_KINDS = {
    "managed": "this toolkit's environment",
    "release": "a release of this toolkit",
    "venv": "a virtual environment",
    "conda": "a conda environment",
    "interpreter": "an interpreter with its packages",
    "packages": "a directory of packages",
}
_TOOLKIT = {
    "here": "This toolkit does it, in its checkout on the controller:",
    "beside": "This toolkit does not change this environment; it installs one that works in its own root:",
    "no": "This toolkit has no command for it.",
}
_MOST_EVIDENCE = 5
_MOST_UNEXPLAINED = 5


def lines(diagnosis: Mapping[str, Any]) -> List[str]:
    """Return one environment's page, or that of logs without an environment."""
    if diagnosis["kind"] == LOG:
        return _logs_alone(diagnosis)
    found: List[str] = [f"{diagnosis['path']}    {_WORDS[diagnosis['verdict']]}"]
    found += _wrapped(_about(diagnosis), "  ")
    for failure in diagnosis["failures"]:
        found += ["", *_failure(failure)]
    if diagnosis["unexplained"]:
        found += ["", "  Found, and not explained by any known failure:"]
        for item in diagnosis["unexplained"][:_MOST_UNEXPLAINED]:
            found += _wrapped(_first(item["text"]), "    ")
            for text in item.get("outside", ()):
                found += _wrapped(_first(text), "      ")
        left = len(diagnosis["unexplained"]) - _MOST_UNEXPLAINED
        found += [f"    and {left} more, which are in the JSON"] if left > 0 else []
    if diagnosis["verdict"] == UNKNOWN:
        found += ["", *_wrapped(_why_unknown(diagnosis), "  ")]
    for note in diagnosis["notes"]:
        found += ["", *_wrapped(f"Note: {note['sentence']} [{note['id']}]", "  ")]
        found += _wrapped(_first(note["evidence"][0]["text"]), "    ") if note["evidence"] else []
        found += _wrapped(note["cure"], "    ")
    unknown = _unknown_logs(diagnosis)
    return found + (["", *unknown] if unknown else [])


def _logs_alone(diagnosis: Mapping[str, Any]) -> List[str]:
    """Return the page of logs: the rows that know them; the verdict stays open, for nothing was run."""
    known = {name for log in diagnosis["logs"] for name in log["known"]}
    rows = [note for note in diagnosis["notes"] if note["id"] in known]
    summary = f"{len(rows)} known failure{'s' if len(rows) > 1 else ''}" if rows else "no known failure"
    found = [f"{diagnosis['path']}    LOG: {summary}"]
    for row in rows:
        found += ["", *_failure(row)]
    unknown = _unknown_logs(diagnosis)
    return [*found, "", *unknown] if unknown else found


def _unknown_logs(diagnosis: Mapping[str, Any]) -> List[str]:
    found: List[str] = []
    for log in diagnosis["logs"]:
        if not log["known"]:
            found += _wrapped(f"{log['path']}: no known failure is in this log.", "  ")
    return found


def _about(diagnosis: Mapping[str, Any]) -> str:
    facts: Dict[str, Any] = diagnosis["facts"]
    versions = ", ".join(f"{name} {version}" for name, version in diagnosis["packages"].items())
    engine = f" in {diagnosis['engine']}" if diagnosis["engine"] else ""
    parts = [_KINDS.get(diagnosis["kind"], diagnosis["kind"]) + engine]
    parts += ["Python " + diagnosis["python_version"]] if diagnosis["python_version"] else []
    parts += [facts["os"], facts["libc"], str(facts["machine"] or "")]
    parts += [f"driver {facts['driver']}"] if facts["gpus"] else []
    done = ["import", "kernels", "pipeline", "speech"]
    tried = done[: done.index(diagnosis["level"]) + 1] if diagnosis["level"] in done else []
    ran = f"Tried on {diagnosis['device']}: {', '.join(tried)}." if tried else "Nothing was run."
    read = f"{diagnosis['objects']} libraries and {diagnosis['files']} files examined."
    return "; ".join(part for part in parts if part) + f". {versions or 'No known package'}. {ran} {read}"


def _failure(failure: Mapping[str, Any]) -> List[str]:
    found = _wrapped(f"{failure['sentence']} [{failure['id']}]", "  ")
    found.append("    How it shows:")
    for item in failure["evidence"][:_MOST_EVIDENCE]:
        found += _wrapped(_first(item["text"]), "      ", "- ")
    found.append("    What to do:")
    found += _wrapped(failure["cure"], "      ")
    found.append(f"    {_TOOLKIT[failure['toolkit']['applies']]}")
    for action in failure["toolkit"]["commands"]:
        found += [f"      {action['command']}", f"        {action['does']}"]
    return found


def _why_unknown(diagnosis: Mapping[str, Any]) -> str:
    trouble = str(diagnosis["trouble"])
    if trouble:
        return trouble[:1].upper() + trouble[1:] + "."
    if not diagnosis["python"]:
        return "Nothing is wrong with the files, but nothing here can run them, so they were not run."
    return "Nothing is wrong with the files; they were not run, as asked."


def _first(text: str) -> str:
    """Return one line of an evidence, cut where it goes on."""
    line = text.splitlines()[0] if text else ""
    return line if len(line) <= 300 else line[:297] + "..."


def _wrapped(text: str, indent: str, mark: str = "") -> List[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent + mark,
        subsequent_indent=indent + " " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )
