"""Controller: what a module on a host returned, in the shape it should have: a host may say anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["brought", "wanted_files"]


def wanted_files(result: Mapping[str, Any]) -> set[str]:
    """Return the SHA-256 of the files that a module asks for; what has no digest is left out."""
    rows = result.get("wanted_files")
    digests = (
        [row.get("sha256") for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    )
    return {digest for digest in digests if isinstance(digest, str)}


def brought(result: Mapping[str, Any]) -> int:
    """Return the bytes that a module says came to its host, 0 for anything else than a number of them."""
    value = result.get("bytes_brought")
    return value if isinstance(value, int) and value > 0 else 0
