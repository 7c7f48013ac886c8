"""What was read once, kept by what it was read from."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from typing import Any, Callable, Dict, Mapping

from .durable import make_directories
from .files import write_text

__all__ = ["noted"]

_UNREADABLE = (OSError, ValueError, RecursionError, TypeError, KeyError)


def noted(cache: str, recipe: Mapping[str, Any], read: Callable[[], Dict[str, Any]]) -> Dict[str, Any]:
    """Return the record that ``recipe`` stands for; ``read`` makes it where ``cache`` does not keep it.

    ``cache``: the directory that keeps it, below known/. One that cannot be written, or a record that cannot
    be read, costs time, nothing else.
    """
    key = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
    path = os.path.join(cache, "known", key + ".json")
    with suppress(*_UNREADABLE), open(path, encoding="utf-8") as stream:
        found = json.load(stream)
        if found["recipe"] == recipe:
            return dict(found["record"])
    record = read()
    with suppress(OSError):
        make_directories(os.path.dirname(path), None)
        write_text(path, json.dumps({"recipe": recipe, "record": record}) + "\n")
    return record
