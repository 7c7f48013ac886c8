"""What the controller writes for people: files whole or not at all, texts without what steers a page."""

from __future__ import annotations

import os
import tempfile

__all__ = ["printable", "write_whole"]


def printable(text: str) -> str:
    """Return a text without what would steer a terminal or a page: control and formatting characters."""
    return "".join(
        letter if letter.isprintable() else " " if letter.isspace() else "\ufffd" for letter in text
    )


def write_whole(path: str, text: str) -> None:
    """Put the text in place of the file, whole or not at all, readable by all. Raises OSError."""
    folder = os.path.dirname(os.path.abspath(path))
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=folder, prefix=".whisperx-", delete=False
    ) as file:
        file.write(text)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)
