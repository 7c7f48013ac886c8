"""What somebody else wrote, in the shape that it should have: a wrong type is no value, and no traceback."""

from __future__ import annotations

from typing import Any

__all__ = ["ANY", "fitted"]

# In a shape: every key of a mapping.
ANY = "*"


def fitted(value: Any, like: Any) -> Any:
    """Return ``value`` in the shape of the example ``like``, as a copy.

    "" asks for a text (numbers become one), 0 and 0.0 for a number, False for a truth, [x] for a list of x,
    {"key": x} for a mapping whose ``key`` is an x, with ANY in place of a key for all that are not named.
    Keys that are not named stay as they are; what does not fit is an empty text, list or mapping, 0 or
    False, or is left out of a list. None and absent keys stay absent.
    """
    if isinstance(like, dict):
        return _mapping(value, like)
    if isinstance(like, list):
        entries = value if isinstance(value, (list, tuple)) else []
        return [fitted(entry, like[0]) for entry in entries if _fits(entry, like[0])]
    if isinstance(like, bool):
        return value is True
    if isinstance(like, (int, float)):
        usable = isinstance(value, (int, float)) and not isinstance(value, bool)
        # A value that is no number is not below any.
        return value if usable and abs(value) < 1e18 else type(like)(0)
    if isinstance(value, str):
        return value
    return str(value) if _fits(value, like) else ""


def _mapping(value: Any, like: Any) -> Any:
    if not isinstance(value, dict):
        return {}
    shaped = {}
    for key, inner in value.items():
        shape = like.get(key, like.get(ANY))
        shaped[str(key)] = inner if shape is None or inner is None else fitted(inner, shape)
    return shaped


def _fits(entry: Any, like: Any) -> bool:
    """Return whether an entry of a list is of the kind that is wanted."""
    if isinstance(like, dict):
        return isinstance(entry, dict)
    if isinstance(like, list):
        return isinstance(entry, (list, tuple))
    if isinstance(like, str):
        return isinstance(entry, (str, int, float)) and not isinstance(entry, bool)
    return isinstance(entry, (bool, int, float))
