"""A tree that all users may read and only its owner write in, whatever uv, wheels and archives chose."""

from __future__ import annotations

import os
import stat

from ..whisperx_common import beneath

__all__ = ["open_to_readers"]


def open_to_readers(path: str, root: str) -> None:
    """Give everything in the tree ``path`` below ``root`` one of two modes: for all to run, or to read."""
    for relative, descriptor, directories, others in beneath.walk(path, root):
        for name in [*directories, *others]:
            mode = os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode
            if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
                continue
            wanted = 0o755 if stat.S_ISDIR(mode) or mode & 0o100 else 0o644
            if name == ".lock" and not relative:  # uv's, which it leaves open to all
                wanted = 0o600
            if stat.S_IMODE(mode) != wanted:
                beneath.change_mode(name, wanted, descriptor)
    with beneath.directory(path, root) as descriptor:
        os.fchmod(descriptor, 0o755)
