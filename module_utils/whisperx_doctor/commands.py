"""The toolkit's commands for one host, ready to be typed."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from .records import Asked, Found
from .rows import Knowledge

__all__ = ["Commands"]

# What the toolkit does where it cannot change an environment.
_BESIDE = "site"


class Commands:
    """The toolkit's commands for one host, ready to be typed."""

    def __init__(self, knowledge: Knowledge, asked: Asked, ours: bool) -> None:
        self._actions = knowledge.actions
        self._inventory = f" INVENTORY={asked.inventory}" if asked.inventory else ""
        self._limit = f"--limit {asked.host}" if asked.host else ""
        self._ours = ours

    def record(self, item: Found) -> Dict[str, Any]:
        """Return a found row with ``applies`` (here; beside: this toolkit changes only what it made, and puts
        an environment that works next to another one; no) and the ``commands`` that apply it.
        """
        names = item.row["toolkit"]
        if names and not self._ours:
            names = [_BESIDE]
        applies = "no" if not names else "here" if self._ours else "beside"
        return item.record(applies, [self._line(self._actions[name]) for name in names])

    def _line(self, action: Mapping[str, str]) -> Dict[str, str]:
        words = " ".join(word for word in (self._limit, action.get("arguments", "")) if word)
        arguments = f' ARGS="{words}"' if words else ""
        command = f"make {action['make']}{self._inventory}{arguments}"
        return {"command": command, "does": action["sentence"]}
