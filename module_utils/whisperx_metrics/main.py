"""The program that the timer runs: audits the host and writes whisperx.prom in one step."""

from __future__ import annotations

import os
import sys
from typing import Sequence

from ..whisperx_common.files import write_text
from ..whisperx_service.systemd import Systemd
from .collect import families
from .samples import FILE, render

__all__ = ["main", "write"]


def write(root: str, directory: str) -> None:
    """Write the metrics of ``root`` into ``directory``, readable by everybody whatever the umask. OSError."""
    write_text(os.path.join(directory, FILE), render(families(root, Systemd())), 0o644, durable=False)


def main(arguments: Sequence[str]) -> int:
    """``arguments``: the root and the directory. Return the exit status."""
    root, directory = arguments
    if not os.path.isdir(directory):
        sys.stdout.write(
            "whisperx: {} is no directory; wanted: node_exporter's textfile directory\n".format(directory)
        )
        return 1
    write(root, directory)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
