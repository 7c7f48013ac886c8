"""Reading files below a root directory: the machine itself, a mounted image, or a fixture.

Every path is given as the probed system sees it ("/etc/os-release"). Below a root other than "/" symbolic
links are followed inside that root, so the absolute links of an unpacked image never lead to the machine that
reads it. Missing is None (or an empty list); anything else that stops a read is a Problem.
"""

from __future__ import annotations

import errno
import mmap
import os
import stat
from typing import List, Optional, Pattern

from ..whisperx_problem import Problem

__all__ = ["Tree"]

_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENODEV, errno.ENXIO)
_LINKS_MAX = 40


class Tree:
    """A file system seen from ``root`` (an absolute directory path)."""

    def __init__(self, root: str = "/") -> None:
        self.root = os.path.abspath(root)
        if not os.path.isdir(self.root):
            raise Problem(
                "host.root",
                "no such directory",
                root,
                "the root directory of the system to probe",
                "Give the mount point of the image, or / for the host itself.",
            )

    def real(self, path: str) -> str:
        """Return the canonical path of ``path`` as the probed system sees it; parts that miss are kept."""
        if self.root == "/":
            return os.path.realpath(path)
        todo = [part for part in reversed(path.split("/")) if part and part != "."]
        done: List[str] = []
        links = 0
        while todo:
            part = todo.pop()
            if part == "..":
                del done[-1:]
                continue
            done.append(part)
            here = self.root + "/" + "/".join(done)
            if os.path.islink(here) and links < _LINKS_MAX:
                links += 1
                target = os.readlink(here)
                done = [] if target.startswith("/") else done[:-1]
                todo.extend(part for part in reversed(target.split("/")) if part and part != ".")
        return "/" + "/".join(done)

    def outside(self, path: str) -> str:
        """Return where the probing process finds ``path``, links resolved inside the root."""
        return path if self.root == "/" else self.root + self.real(path)

    def exists(self, path: str) -> bool:
        """Tell whether ``path`` leads to something."""
        return os.path.exists(self.outside(path))

    def link(self, path: str) -> Optional[str]:
        """Return the text of the symbolic link at ``path``, wherever it leads; None if there is none."""
        parent, name = os.path.split(path)
        try:
            return os.readlink(os.path.join(self.outside(parent), name))
        except OSError:
            return None

    def mode(self, path: str) -> Optional[int]:
        """Return the permission bits of ``path`` with its type (``st_mode``), or None."""
        try:
            return os.stat(self.outside(path)).st_mode
        except OSError:
            return None

    def is_directory(self, path: str) -> bool:
        """Tell whether ``path`` leads to a directory."""
        return os.path.isdir(self.outside(path))

    def is_small_file(self, path: str, most: int) -> bool:
        """Tell whether ``path`` leads to a regular file of at most ``most`` bytes."""
        try:
            info = os.stat(self.outside(path))
        except OSError:
            return False
        return stat.S_ISREG(info.st_mode) and info.st_size <= most

    def names(self, path: str) -> List[str]:
        """Return the sorted names in the directory ``path``; a missing or closed directory has none."""
        try:
            return sorted(os.listdir(self.outside(path)))
        except OSError:
            return []

    def head(self, path: str, size: int, private: bool = False) -> Optional[bytes]:
        """Return the first ``size`` bytes of a regular file, or None when it misses.

        ``private`` says that an ordinary user may be refused the file: then a refusal counts as missing.
        """
        where = self.outside(path)
        try:
            if not stat.S_ISREG(os.stat(where).st_mode):
                return None
            with open(where, "rb") as stream:
                return stream.read(size)
        except OSError as error:
            if error.errno in _MISSING or (private and error.errno in (errno.EACCES, errno.EPERM)):
                return None
            raise Problem(
                "host.unreadable",
                f"cannot read the file: {error.strerror}",
                where,
                "a readable file",
                "Run the probe as root (become: true), or check the file on the host.",
            ) from error

    def text(self, path: str, private: bool = False) -> Optional[str]:
        """Return a text file (its first MiB) as UTF-8, bytes that are none replaced; None if missing."""
        data = self.head(path, 1 << 20, private)
        return None if data is None else data.decode("utf-8", "replace")

    def search(self, path: str, pattern: Pattern[bytes], most: int = 1 << 28) -> Optional[bytes]:
        """Return group 1 of the first match of ``pattern`` in a file of at most ``most`` bytes, or None.

        The file is mapped, not read: only the pages up to the match are touched.
        """
        if not self.head(path, 1, private=True):
            return None
        with open(self.outside(path), "rb") as stream:
            if os.fstat(stream.fileno()).st_size > most:
                return None
            try:
                data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            except (OSError, ValueError):  # a file system without mapping, a file emptied meanwhile
                return None
            with data:
                match = pattern.search(data)
                return bytes(match.group(1)) if match else None
