"""The record of a run as one self-contained HTML page."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ..whisperx_plan.output import printable
from .collect import STATES

__all__ = ["data_block", "render"]

_COLUMNS = ("state", "class", "device", "versions")


def render(record: Mapping[str, Any], templates: str) -> str:
    """Return the page. ``templates``: directory of report.html.j2, report.css and report.js.

    Whatever hosts say about themselves is escaped; the policy in the page admits its own script and nothing
    else, and no address is asked for anything.
    """
    folder = Path(templates)
    script = (folder / "report.js").read_text("utf-8")
    environment = Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.html.j2").render(
        record=record,
        states=STATES,
        rows=[_row(name, row) for name, row in record["hosts"].items()],
        data=data_block(record["hosts"]),
        style=Markup((folder / "report.css").read_text("utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def data_block(hosts: Mapping[str, Any]) -> Markup:
    """Return JSON that cannot end the element it stands in, for the details that the script shows."""
    text = json.dumps(hosts, sort_keys=True, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def _row(name: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the table shows of a host, and the lower-case text that the search looks through."""
    versions = row["versions"] or row["planned"]
    shown = ", ".join(f"{package} {version}" for package, version in versions.items())
    cells = {**{key: row[key] for key in _COLUMNS}, "versions": shown}
    words = [name, *cells.values(), row["message"], *row["facts"].values(), *row["diff"]]
    words += [entry["rule"] for entry in row["reasons"]]
    return {
        **cells,
        "name": name,
        "changed": bool(row["actions"]),
        "message": row["message"],
        "words": " ".join(str(word) for word in words).lower(),
    }


def _printable(value: Any) -> Any:
    return value if isinstance(value, Markup) else printable(str(value))
