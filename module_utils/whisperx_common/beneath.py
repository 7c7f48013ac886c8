"""Both sides: reach and remove files by directory descriptors, so that a planted link leads nowhere.

``below`` is a directory that is trusted, as is the way to it; from there on no component of a path may be a
link (O_NOFOLLOW alone guards the last component only). Without it the parent directory is the trusted one.
"""

from __future__ import annotations

import contextlib
import errno
import os
from typing import Iterator, List, Tuple

__all__ = ["DIRECTORY", "change_mode", "directory", "parent", "remove", "walk"]

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# How often a directory is emptied into which something still writes.
_TRIES = 3


@contextlib.contextmanager
def directory(path: str, below: str = "") -> Iterator[int]:
    """Open a directory and return its descriptor.

    Raises OSError: ELOOP or ENOTDIR for a link below ``below``, ENOENT when it is absent.
    """
    descriptor = os.open(below or path, DIRECTORY)
    try:
        for part in _parts(path, below) if below else []:
            child = os.open(part, DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = child
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def parent(path: str, below: str = "") -> Iterator[Tuple[int, str]]:
    """Open the directory that ``path`` is in; return its descriptor and the last component."""
    head, name = os.path.split(os.path.normpath(path))
    with directory(head or ".", below) as descriptor:
        yield descriptor, name


def remove(name: str, within: int) -> None:
    """Remove what has this name in the directory ``within``, with all below it; links are not followed."""
    try:
        descriptor = os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=within)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
        os.unlink(name, dir_fd=within)
        return
    try:
        for attempt in range(_TRIES):
            _empty(descriptor)
            try:
                os.rmdir(name, dir_fd=within)
                return
            except OSError as error:
                if error.errno != errno.ENOTEMPTY or attempt == _TRIES - 1:
                    raise
    finally:
        os.close(descriptor)


def change_mode(name: str, mode: int, within: int) -> None:
    """Set the mode of a file or directory in the directory ``within`` by its descriptor. Raises OSError."""
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=within)
    try:
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def walk(path: str, below: str = "") -> Iterator[Tuple[str, int, List[str], List[str]]]:
    """Go through a tree as os.fwalk does, but yield paths relative to ``path`` ("" for itself).

    Yields (relative path, descriptor of that directory, directories, other entries); links are entries and
    are never followed. Directories that are taken from the list are left out. An absent tree has no entries.
    """
    try:
        with directory(path, below) as descriptor:
            yield from _walk("", descriptor)
    except (FileNotFoundError, NotADirectoryError):
        return


def _walk(relative: str, descriptor: int) -> Iterator[Tuple[str, int, List[str], List[str]]]:
    directories: List[str] = []
    others: List[str] = []
    with os.scandir(descriptor) as entries:
        for entry in entries:
            (directories if entry.is_dir(follow_symlinks=False) else others).append(entry.name)
    yield relative, descriptor, directories, others
    for name in directories:
        child = os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
        try:
            yield from _walk(os.path.join(relative, name), child)
        finally:
            os.close(child)


def _empty(descriptor: int) -> None:
    with os.scandir(descriptor) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in found:
        if is_directory:
            remove(name, descriptor)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=descriptor)


def _parts(path: str, below: str) -> List[str]:
    """Return the components from ``below`` to ``path``."""
    relative = os.path.relpath(path, below)
    parts = [] if relative == os.curdir else relative.split(os.sep)
    if os.pardir in parts:
        raise OSError(errno.EXDEV, "not below {}".format(below), path)
    return parts
