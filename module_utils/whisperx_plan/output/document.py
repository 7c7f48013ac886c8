"""The answer as people and scripts read it: lines for the terminal, the JSON document of the contract."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ...whisperx_common.wording import printable, versions_of
from ...whisperx_libraries import Version
from ..decide import Decision
from ..model import MANAGED

__all__ = ["details", "document", "merged", "python_of", "render", "table", "why"]

_HEAD = ("host", "verdict", "device", "python", "versions", "why")
_SHOWN = ("whisperx", "faster-whisper", "ctranslate2", "torch")
_WIDEST = 46
_NAMED = 8
_GPU = ("driver.", "gpu.", "plan.conflict", "soname.", "torch.")
# Interpreters that need not be told of where another one serves.
_PASSED_OVER = ("python.private", "python.platform", "python.untrusted")
_QUIET = (
    *("release.prerelease", "release.yanked", "python.unfit", "python.private", "python.platform"),
    "wheel.unused-code",
)


def merged(decisions: Sequence[Decision]) -> Decision:
    """Join the decisions on several requests, hosts and classes in order of name."""
    hosts = {name: record for part in decisions for name, record in part.hosts.items()}
    classes = {name: record for part in decisions for name, record in part.classes.items()}
    return Decision(dict(sorted(hosts.items())), dict(sorted(classes.items())))


def document(decision: Decision) -> dict[str, Any]:
    """Return the document that goes into whisperx_plan_output."""
    return {"schema": 1, "hosts": dict(decision.hosts)}


def render(decision: Decision) -> str:
    """Return the document as text, the same for the same decision."""
    return json.dumps(document(decision), indent=2, sort_keys=True) + "\n"


def table(decision: Decision, unread: Mapping[str, Mapping[str, Any]] | None = None) -> list[str]:
    """Return one line per host below a line of headings, the columns aligned; a long name keeps its line.

    ``unread``: host to ``state`` and ``message``, of hosts without facts; they come last.
    """
    rows = [_HEAD, *(_row(name, record) for name, record in decision.hosts.items())]
    for name, one in sorted((unread or {}).items()):
        rows.append(
            (name, str(one["state"]), "-", "-", "-", printable(" ".join(str(one["message"]).split())))
        )
    widths = [min(max(len(row[place]) for row in rows), _WIDEST) for place in range(len(_HEAD) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    ]


def details(decision: Decision, everything: bool = False) -> list[str]:
    """Return the answers as lines, hosts with one answer together: versions, reasons, remedies, notes.

    Without ``everything`` only what keeps something newer or better away is told; the document has the rest.
    """
    groups: dict[str, list[str]] = {}
    for name, record in decision.hosts.items():
        key = json.dumps([record["class"], record["reasons"], record["remedies"], record.get("notes")])
        groups.setdefault(key, []).append(name)
    lines: list[str] = []
    seen: set[str] = set()
    for names in groups.values():
        record = decision.hosts[names[0]]
        notes = record.get("notes", [])
        if record["verdict"] != "plan":
            # What the catalogue has is long, and the same for every refusal.
            notes = [note for note in notes if note not in seen]
            seen.update(notes)
        lines += ["", f"{record['class'] or 'refused'}: {_names(names)}"]
        if record["verdict"] == "plan":
            lines.append("  " + versions_of(record["pins"]))
        told = [reason["sentence"] for reason in record["reasons"] if everything or _matters(reason, record)]
        for title, sentences in (
            ("ruled out", told),
            ("remedies", [remedy["sentence"] for remedy in record["remedies"]]),
            ("notes", notes),
        ):
            lines += [f"  {title}:", *(f"    - {sentence}" for sentence in sentences)] if sentences else []
    return lines[1:]


def _names(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _matters(reason: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    """Say whether a reason is about something newer than the plan has, or about no version at all."""
    if record["verdict"] == "plan" and reason["rule"] in _PASSED_OVER:
        return False
    if record["verdict"] == "plan" and _elsewhere(reason):
        return False
    pin = record.get("pins", {}).get(reason["subject"].partition(" ")[0])
    return pin is None or not reason["versions"] or _newer(reason["versions"][0], pin)


def _elsewhere(reason: Mapping[str, Any]) -> bool:
    """Say whether a reason is about wheels that the user built for machines of another kind."""
    return reason["rule"] == "wheel.machine" and all(Version(text).local for text in reason["versions"])


def _row(name: str, record: Mapping[str, Any]) -> tuple[str, ...]:
    if record["verdict"] != "plan":
        return name, "refused", "-", "-", "-", why(record)
    pins = record["pins"]
    told = [
        key for key in _SHOWN if key in pins and (key in record["request"] or key in ("ctranslate2", "torch"))
    ]
    versions = ", ".join(f"{key} {pins[key]}" for key in told or list(pins)[:3])
    build = record["torch_build"]
    device = record["device"] + (f" ({build})" if build and build != record["device"] else "")
    if record.get("container"):
        device += f" in {record['container']['engine']}"
    return name, "plan", device, python_of(record), versions, why(record)


def python_of(record: Mapping[str, Any]) -> str:
    """Return the Python of an answer for people: "3.13", "3.13 (managed)", "-" without one."""
    managed = record.get("python_source") == MANAGED
    return f"{record['python']} (managed)" if managed else str(record.get("python") or "-")


def why(record: Mapping[str, Any]) -> str:
    """Return the first reason of a refusal; of a plan the first that keeps something better away: the GPU, or
    a newer version of what matters.
    """
    if record["verdict"] != "plan":
        return str(record["reasons"][0]["sentence"])
    for reason in record["reasons"]:
        package, _separator, version = reason["subject"].partition(" ")
        pin = record["pins"].get(package)
        if reason["rule"] in _QUIET or _elsewhere(reason):
            continue
        if record["device"] == "cpu" and reason["rule"].startswith(_GPU):
            return str(reason["sentence"])
        if not reason["versions"] or (
            pin and package in (*record["request"], "ctranslate2") and _newer(version, pin)
        ):
            return str(reason["sentence"])
    return ""


def _newer(version: str, pin: str) -> bool:
    return Version(version) > Version(pin)
