"""How often an attack is tried."""

from __future__ import annotations

import os

__all__ = ["FULL", "amount"]

FULL = bool(os.environ.get("WHISPERX_FLEET_ATTACK"))


def amount(short: int, full: int) -> int:
    """Return how many times an attack is tried."""
    return full if FULL else short
