"""Rows of a catalogue in another order."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import yaml

__all__ = ["shuffle_rows"]


def shuffle_rows(folder: Path, luck: random.Random) -> None:
    """Rewrite a catalogue with every list of rows, and every mapping, in another order."""
    for path in folder.glob("packages/*.json"):
        path.write_text(json.dumps(turned(json.loads(path.read_text()), luck)))
    for path in folder.glob("*.yml"):
        path.write_text(yaml.safe_dump(turned(yaml.safe_load(path.read_text()), luck), sort_keys=False))


def turned(value: Any, luck: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        luck.shuffle(keys)
        return {key: turned(value[key], luck) for key in keys}
    if isinstance(value, list):
        items = [turned(item, luck) for item in value]
        if any(isinstance(item, dict) for item in items):
            luck.shuffle(items)
        return items
    return value
