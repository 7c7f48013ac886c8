"""What the controller writes for people: files whole or not at all, texts without what steers a page."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence

__all__ = ["named", "printable", "versions_of", "write_whole"]


def printable(text: str) -> str:
    """Return a text without what would steer a terminal or a page: control and formatting characters."""
    return "".join(
        letter if letter.isprintable() else " " if letter.isspace() else "\ufffd" for letter in text
    )


def named(names: Sequence[str], shown: int) -> str:
    """Return so many names for people, and how many more there are: `a, b and 17 more`."""
    told = ", ".join(names[:shown])
    return f"{told} and {len(names) - shown} more" if len(names) > shown else told


def versions_of(versions: Mapping[str, str]) -> str:
    """Return packages and their versions for people: `whisperx 3.8.6, torch 2.8.0`."""
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def write_whole(path: str, text: str) -> None:
    """Put the text in place of the file, whole or not at all, readable by all. Raises OSError."""
    folder = os.path.dirname(os.path.abspath(path))
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=folder, prefix=".whisperx-", delete=False
    ) as file:
        file.write(text)
        os.fchmod(file.fileno(), 0o644)
    os.replace(file.name, path)
