"""Runs the programs that write a disk, and knows which package has each."""

from __future__ import annotations

import shutil
from typing import List, Mapping

from ..whisperx_common import process
from ..whisperx_problem import Problem

__all__ = ["PACKAGES", "find", "run"]

# Longer than a root of 20 GB takes on one slow disk.
_SECONDS = 3600.0

# Program -> Debian's package of it.
PACKAGES: Mapping[str, str] = {
    "sfdisk": "fdisk",
    "mkfs.ext4": "e2fsprogs",
    "mformat": "mtools",
    "mmd": "mtools",
    "mcopy": "mtools",
}


def find(*names: str) -> str:
    """Return the path of the first of ``names`` that is installed, "" for none."""
    return next(filter(None, (shutil.which(name, path=process.PATH) for name in names)), "")


def run(argv: List[str], given: str = "") -> None:
    """Run one program with ``given`` on its standard input. Raises Problem "bake.tool" with what it said."""
    environment = {"PATH": process.PATH, "LC_ALL": "C.UTF-8", "MTOOLS_SKIP_CHECK": "1"}
    code, said = process.run(argv, environment, _SECONDS, given)
    if code:
        raise Problem(
            "bake.tool",
            "{} ended with {}: {}".format(argv[0], code, said.strip()[-500:]),
            "the machine that bakes",
            "a complete disk",
            "Fix that, then bake again.",
        )
