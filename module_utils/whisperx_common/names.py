"""Names of distributions in the normal form of PEP 503."""

from __future__ import annotations

import re

__all__ = ["normalise"]


def normalise(name: str) -> str:
    """Return a distribution name in the normal form of PEP 503: "Faster_Whisper" -> "faster-whisper"."""
    return re.sub(r"[-_.]+", "-", name).lower()
