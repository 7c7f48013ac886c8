"""The record of a run as one self-contained HTML page."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..whisperx_common.conditions import BREAKING, STATES
from ..whisperx_common.wording import hosts_in_words, named, printable, versions_of
from ..whisperx_libraries import Environment, FileSystemLoader, Markup, StrictUndefined
from .services import sentence

__all__ = ["data_block", "packed", "render"]

# The label of a state, if it is not its id.
_LABELS = {BREAKING: "would break"}
# How packages are written, if not as the index has them; a title names so many.
_TITLES = {"whisperx": "WhisperX", "ctranslate2": "CTranslate2"}
_MOST_IN_TITLE = 3
# Of many hosts with one change or one problem, so many names.
_NAMES = 6


def render(record: Mapping[str, Any], templates: str) -> str:
    """Return the page. ``templates``: directory of report.html.j2, report.css and report.js.

    Whatever hosts say about themselves is escaped; the policy in the page admits its own script and nothing
    else, and no address is asked for anything.
    """
    folder = Path(templates)
    script = (folder / "report.js").read_text("utf-8")
    order = list(STATES)
    hosts = dict(sorted(record["hosts"].items(), key=lambda one: (order.index(one[1]["state"]), one[0])))
    return (
        _environment(templates)
        .get_template("report.html.j2")
        .render(
            record=record,
            title=_title(record["asked"], len(hosts)),
            states=STATES,
            classes=[_class(name, found, hosts) for name, found in record["classes"].items()],
            problems=[{**one, "names": named(one["hosts"], _NAMES)} for one in record["problems"]],
            changes=_changes(hosts),
            rows=[_row(name, row) for name, row in hosts.items()],
            data=data_block(packed(_told(hosts, bool(record["run"].get("check"))))),
            style=Markup((folder / "report.css").read_text("utf-8")),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


@functools.cache
def _environment(templates: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        bytes=_bytes, hosts=hosts_in_words, label=lambda state: _LABELS.get(state, state)
    )
    return environment


def _title(asked: Sequence[str], number: int) -> str:
    """Return what was asked for, and on how many hosts; an audit asks for nothing and looks at WhisperX."""
    names = [_TITLES.get(name, name) for name in asked] or ["WhisperX"]
    return f"{named(names, _MOST_IN_TITLE)} on {hosts_in_words(number)}"


def packed(hosts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the hosts with every list and mapping of theirs stored once: hosts of a class share most of it.

    ``hosts`` in the answer is a list in the given order; in place of a list or a mapping stands
    ``{"at": its number in "shared"}``, and what is empty is left out.
    """
    numbers: dict[str, int] = {}
    shared: list[Any] = []

    def number(value: Any) -> int:
        text = json.dumps(value, sort_keys=True)
        if text not in numbers:
            numbers[text] = len(shared)
            shared.append(value)
        return numbers[text]

    rows = [
        {
            key: {"at": number(value)} if isinstance(value, dict | list) else value
            for key, value in {"name": name, **row}.items()
            if value
        }
        for name, row in hosts.items()
    ]
    return {"shared": shared, "hosts": rows}


def _told(hosts: Mapping[str, Mapping[str, Any]], check: bool) -> dict[str, Any]:
    """Return the hosts, each service as a sentence."""
    return {
        name: {**row, "services": [sentence(one, check) for one in row["services"]]}
        for name, row in hosts.items()
    }


def data_block(value: Any) -> Markup:
    """Return JSON that cannot end the element it stands in, for the details that the script shows."""
    text = json.dumps(value, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def _row(name: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the table shows of a host."""
    facts = row["facts"]
    return {
        **{key: row[key] for key in ("state", "class", "device", "message", "rule", "bytes")},
        "name": name,
        "runs": versions_of(row["versions"]),
        "planned": versions_of(row["planned"]),
        "system": ", ".join(facts[key] for key in ("system", "libc") if key in facts),
        "gpu": ", driver ".join(facts[key] for key in ("GPU", "driver") if key in facts)
        if "GPU" in facts
        else "",
        "changed": bool(row["actions"]),
        "seconds": round(sum(row["seconds"].values()), 1),
    }


def _class(name: str, found: Mapping[str, int], hosts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return a class, what it runs, and its states with their shares in percent."""
    one = next(row for row in hosts.values() if row["class"] == name)
    count = sum(found.values())
    shares = {state: round(100 * number / count, 2) for state, number in found.items()}
    runs = versions_of(one["planned"] or one["versions"]) if name else ""
    return {
        "name": name,
        "found": found,
        "count": count,
        "shares": shares,
        "runs": runs,
        "device": one["device"],
    }


def _changes(hosts: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what changed in versions, each difference once with its hosts, more hosts first."""
    found: dict[tuple[str, ...], list[str]] = {}
    for name, row in hosts.items():
        if row["actions"] and row["diff"]:
            found.setdefault(tuple(row["diff"]), []).append(name)
    order = sorted(found.items(), key=lambda one: -len(one[1]))
    return [{"lines": lines, "hosts": names, "names": named(names, _NAMES)} for lines, names in order]


def _bytes(number: int) -> str:
    """Return bytes for people: `4.2 GB`, "" for none."""
    if not number:
        return ""
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{max(number / 1e6, 0.1):.1f} MB"


def _printable(value: Any) -> Any:
    return value if isinstance(value, Markup) else printable(str(value))
