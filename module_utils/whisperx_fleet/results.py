"""Controller: what a module on a host returned, in the shape it should have: a host may say anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["summarised", "transferred", "wanted_files", "wanted_rows"]


def wanted_files(result: Mapping[str, Any]) -> set[str]:
    """Return the SHA-256 of the files that a module asks for; what has no digest is left out."""
    digests = [row.get("sha256") for row in wanted_rows(result)]
    return {digest for digest in digests if isinstance(digest, str)}


def wanted_rows(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the rows of the files that a module asks for."""
    rows = result.get("wanted_files")
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def transferred(result: Mapping[str, Any]) -> int:
    """Return the bytes that a module says came to its host, 0 for anything else than a number of them."""
    value = result.get("bytes_brought")
    return value if isinstance(value, int) and value > 0 else 0


def summarised(result: Mapping[str, Any], host: str) -> list[str]:
    """Return a module's summary, the host's name before each line; of a failure without one, its message."""
    lines = result.get("summary") or ([f"failed: {result['msg']}"] if result.get("failed") else [])
    return [f"{host}: {line}" for line in lines]
