"""Where runs of a collection write on the controller: never into itself, for an upgrade would remove it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

__all__ = ["place"]

# A file with this key configures a plugin that asks a cloud, a hypervisor or a database for the hosts.
_PLUGIN = re.compile(rb"(?m)^[\"']?plugin[\"']? *:")
_BEGINNING = 1 << 16  # bytes


def place(sources: Sequence[str], working_directory: str) -> str:
    """Return the directory that has ``locks`` and ``reports``.

    It is beside the inventory that ``sources`` (the values of -i) name, if that is one file or directory that
    somebody wrote. For several, a list of hosts and a generated inventory it is the working directory.
    """
    if len(sources) != 1 or "," in sources[0]:
        return working_directory
    source = Path(os.path.abspath(os.path.join(working_directory, os.path.expanduser(sources[0]))))
    files = sorted(path for path in source.rglob("*") if path.is_file()) if source.is_dir() else [source]
    if not any(path.is_file() for path in files) or any(_generates(path) for path in files):
        return working_directory
    return str(source.parent)


def _generates(path: Path) -> bool:
    """Return whether a file of an inventory is a program, or the configuration of a plugin."""
    # Beside the sources of an inventory directory there are variables, and vaulted files that nobody runs.
    if {"group_vars", "host_vars"} & set(path.parts):
        return False
    if os.access(path, os.X_OK):
        return True
    with path.open("rb") as stream:
        return path.suffix in (".yml", ".yaml") and bool(_PLUGIN.search(stream.read(_BEGINNING)))
