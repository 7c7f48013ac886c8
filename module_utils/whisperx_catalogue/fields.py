"""Reading data that others wrote: facts, catalogue rows, requests. Every complaint names place, field,
found and wanted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..whisperx_common.versions import Numbers, strict_numbers
from ..whisperx_problem import Problem

__all__ = ["Fields"]

# "8.6", "12.0", and "9.0a" for exactly that chip.
_CAPABILITY = re.compile(r"[0-9]{1,2}\.[0-9]{1,2}[af]?")
_SHOWN = 80


def shown(value: Any) -> str:
    """Return a value as a person may read it in a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


class Fields:
    """One mapping from outside. The readers return the value; missing, null and "" are None.

    ``rule`` is the id of the Problem raised for anything else, ``where`` its place ("host db1"), ``remedy``
    its next step.
    """

    __slots__ = ("data", "path", "remedy", "rule", "where")

    def __init__(self, data: Any, rule: str, where: str, remedy: str, path: str = "") -> None:
        self.rule, self.where, self.remedy, self.path = rule, where, remedy, path
        if not isinstance(data, Mapping):
            raise self.problem("", data, "a mapping")
        self.data: Mapping[Any, Any] = data

    def problem(self, key: str, found: Any, wanted: str) -> Problem:
        """Return the complaint about one field."""
        field = ".".join(part for part in (self.path, key) if part)
        place = f"{self.where}, field {field}" if field else self.where
        return Problem(self.rule, f"found {shown(found)}", place, wanted, self.remedy)

    def text(self, key: str) -> str | None:
        """Return a text; a whole number is taken as its digits, a fraction is not (2.40 would read 2.4)."""
        value = self.data.get(key)
        if value is None or value == "":
            return None
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            hint = ' (in quotes: "…")' if isinstance(value, float) else ""
            raise self.problem(key, value, f"a text{hint}")
        return value

    def version(self, key: str) -> Numbers | None:
        """Return a dotted version's numbers."""
        text = self.text(key)
        if text is None:
            return None
        parts = strict_numbers(text)
        if parts is None:
            raise self.problem(key, text, 'a version such as "2.41"')
        return parts

    def flag(self, key: str) -> bool | None:
        """Return true, false or None."""
        value = self.data.get(key)
        if value is None or isinstance(value, bool):
            return value
        raise self.problem(key, value, "true or false")

    def whole(self, key: str) -> int | None:
        """Return a whole number, zero or more."""
        value = self.data.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.problem(key, value, "a whole number, 0 or more")
        return value

    def choice(self, key: str, allowed: Sequence[str]) -> str | None:
        """Return a text that is one of ``allowed``."""
        value = self.text(key)
        if value is not None and value not in allowed:
            raise self.problem(key, value, "one of " + ", ".join(allowed))
        return value

    def items(self, key: str) -> Sequence[Any]:
        """Return a list; absent is empty."""
        value = self.data.get(key)
        if value is None:
            return ()
        if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Sequence):
            raise self.problem(key, value, "a list")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts."""
        values = self.items(key)
        for value in values:
            if not isinstance(value, str):
                raise self.problem(key, value, "a list of texts")
        return tuple(values)

    def capabilities(self, key: str) -> tuple[str, ...]:
        """Return a list of compute capabilities as device code is made for, such as "9.0a"."""
        values = self.texts(key)
        for value in values:
            if not _CAPABILITY.fullmatch(value):
                raise self.problem(key, value, 'capabilities such as "9.0" or "9.0a"')
        return values

    def wholes(self, key: str) -> tuple[int, ...]:
        """Return a list of whole numbers."""
        values = self.items(key)
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int):
                raise self.problem(key, value, "a list of whole numbers")
        return tuple(values)

    def child(self, key: str) -> Fields | None:
        """Return a mapping below ``key``."""
        value = self.data.get(key)
        if value is None:
            return None
        return Fields(value, self.rule, self.where, self.remedy, f"{self.path}.{key}" if self.path else key)

    def children(self, key: str) -> list[Fields]:
        """Return the mappings of a list below ``key``."""
        base = f"{self.path}.{key}" if self.path else key
        return [
            Fields(value, self.rule, self.where, self.remedy, f"{base}[{number}]")
            for number, value in enumerate(self.items(key))
        ]

    def needed(self, key: str, value: Any) -> Any:
        """Return ``value``, or complain that ``key`` is missing when it is None."""
        if value is None:
            raise self.problem(key, self.data.get(key), "a value")
        return value
