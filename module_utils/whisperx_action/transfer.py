"""Controller: files from here to a host over its connection, and on a terminal how far they are."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from ansible.utils.display import Display

__all__ = ["TELL_EVERY_S", "TERMINAL", "send"]

# Seen where the plugins are loaded, in ansible-playbook's own process: the workers have no terminal.
TERMINAL = sys.stdout.isatty() and not os.environ.get("CI")
TELL_EVERY_S = 5.0
_WORTH_TELLING = 64 << 20  # bytes


def send(action: Any, here: Mapping[str, str], host: str, what: str) -> tuple[dict[str, str], int]:
    """Make files readable on the host of ``action``, an action plugin, in the order of ``here``.

    ``here``: name to path on the controller. ``what``: the files, for people. Return name to path on the
    host, and the bytes that were sent. A host that is this machine reads them where they are.
    """
    if action._connection.transport == "local":
        return dict(here), 0
    sizes = {name: os.path.getsize(path) for name, path in here.items()}
    progress = _Progress(host, what, len(here), sum(sizes.values()))
    if not action._connection._shell.tmpdir:
        action._make_tmp_path()
    folder = action._connection._shell.tmpdir
    there = {name: action._connection._shell.join_path(folder, name) for name in here}
    for name, path in here.items():
        action._transfer_file(path, there[name])
        progress.add(sizes[name])
    action._fixup_perms2((folder, *there.values()))
    return there, sum(sizes.values())


class _Progress:
    """Tells on a terminal how far a large transfer is: size and count first, then bytes and files."""

    def __init__(self, host: str, what: str, count: int, size: int) -> None:
        self.host, self.count, self.size = host, count, size
        self.files = self.bytes = 0
        self.told = time.monotonic()
        self.wanted = TERMINAL and size >= _WORTH_TELLING
        if self.wanted:
            Display().display(f"{host}: {count} {what} to send, {size / 1e6:.0f} MB")

    def add(self, size: int) -> None:
        """Count one file that arrived."""
        self.files += 1
        self.bytes += size
        if self.wanted and (self.files == self.count or time.monotonic() - self.told >= TELL_EVERY_S):
            self.told = time.monotonic()
            shown = f"{self.bytes / 1e6:.0f} of {self.size / 1e6:.0f} MB"
            Display().display(f"{self.host}: {shown}, {self.files} of {self.count} files sent")
