"""The static fact file of a host that runs an image: what a venv's says, and the image."""

from __future__ import annotations

import json
import os
from typing import Any, Mapping

from ..whisperx_common.files import read_text, write_text
from ..whisperx_release import outside
from ..whisperx_release.model import Layout

__all__ = ["is_right", "text", "write"]


def text(layout: Layout, record: Mapping[str, Any]) -> str:
    """Return the file's text for a release's record, of either runtime."""
    plain = outside.fact_text(layout, record)
    if record.get("runtime") != "container":
        return plain
    value = json.loads(plain)
    value.update({key: record.get(key) for key in ("runtime", "engine", "image")})
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


def is_right(layout: Layout, record: Mapping[str, Any]) -> bool:
    """Return whether the file says what it should, or none is wanted."""
    return not layout.fact or read_text(layout.fact) == text(layout, record)


def write(layout: Layout, record: Mapping[str, Any]) -> None:
    """Write the file where it is wanted."""
    if layout.fact and not is_right(layout, record):
        os.makedirs(layout.facts_dir, exist_ok=True)
        write_text(layout.fact, text(layout, record))
