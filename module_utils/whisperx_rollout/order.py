"""The order of a roll-out from the options of the module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..whisperx_common.shape import ANY, fitted
from .waves import Failure, held, turn, waves

__all__ = ["ARGUMENTS", "decide"]

ARGUMENTS: dict[str, Any] = {
    "pending": {"type": "dict", "required": True},
    "steps": {"type": "list", "elements": "str", "default": ["1", "10%", "50%", "100%"]},
    "canaries": {"type": "list", "elements": "str", "default": []},
    "wave": {"type": "list", "elements": "str", "default": []},
    "proved": {"type": "list", "elements": "str", "default": []},
    "failed": {"type": "dict", "default": {}},
    "unreachable": {"type": "list", "elements": "str", "default": []},
    "budget": {"type": "str", "default": "10%"},
}


def decide(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the module's result: the waves, who is held, and who of a wave changes now. Raises Problem."""
    pending, lost = options["pending"], options["failed"]
    # From hosts that do not change nothing follows for those that do.
    proved = [host for host in options["proved"] if host in pending]
    gone = [host for host in options["unreachable"] if host in pending]
    # A host's own words, in whatever shape they came.
    said = fitted(lost, {ANY: {"rule": "", "message": ""}})
    failed = {
        host: Failure(said[host].get("rule") or "", said[host].get("message") or "")
        for host in lost
        if host in pending
    }
    found = waves(pending, options["steps"], options["canaries"])
    stopped = held(pending, failed, gone, options["budget"], proved)
    now, waiting = turn(options["wave"], pending, proved, {*failed, *stopped, *gone, *proved})
    digits = max(2, len(str(len(found))))
    numbers = {host: str(number).zfill(digits) for number, wave in enumerate(found) for host in wave}
    return {
        "pending": pending,
        "waves": found,
        "wave_of": numbers,
        "held": stopped,
        "now": now,
        "waiting": waiting,
    }
