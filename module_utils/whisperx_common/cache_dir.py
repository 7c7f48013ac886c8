"""Where the controller keeps what it can make again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

__all__ = ["cache_dir_of", "default_cache_dir"]


def default_cache_dir() -> Path:
    """Return the directory of the XDG base directory specification for this toolkit's cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "whisperx-fleet"


def cache_dir_of(option: Any) -> Path:
    """Return the cache that an option names, this toolkit's own if it names none."""
    return Path(str(option)).expanduser().absolute() if option else default_cache_dir()
