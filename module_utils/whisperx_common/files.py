"""Both sides: small operations on files; each either happens whole or not at all, also when the power fails.

``below`` is a trusted directory from which on no component of a path may be a link (see `beneath`).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import stat
from typing import Any, BinaryIO, Callable, Dict, Iterator, List, Optional

from .beneath import parent, remove
from .durable import sync_descriptor

__all__ = [
    "GOING",
    "discard",
    "is_leftover",
    "leftovers",
    "link",
    "make_way",
    "names_in",
    "open_umask",
    "opened",
    "read_json",
    "read_text",
    "sha256",
    "sha256_of",
    "write_json",
    "write_text",
]

# The end of the name of a tree that is being removed.
GOING = ".going"
# The end of the name under which a file is written, after a random part; what a killed run left of it is
# removed when the file is written again. Before there was a random part, the end alone was added.
_NEW = ".new"
_LEFTOVER = re.compile(r"(?P<name>.+?)(\.[0-9a-f]{8})?\.new", re.DOTALL)
_BLOCK = 1 << 20
# A FIFO that somebody put there must not keep a run waiting.
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
# What opening says of something that is neither a file nor a directory: a socket, a link to itself.
_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO, errno.ENODEV)
# Another run may take what is being written for what a killed one left.
_TRIES = 10


@contextlib.contextmanager
def open_umask() -> Iterator[None]:
    """What is made here is for every user of the host, whatever root's umask is."""
    old = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(old)


@contextlib.contextmanager
def opened(path: str, below: str = "") -> Iterator[BinaryIO]:
    """Open an ordinary file for reading; neither it nor, below ``below``, its directories may be links.

    Raises OSError; FileNotFoundError for anything that is no ordinary file, a FIFO for instance.
    """
    with parent(path, below) as (within, name):
        descriptor = os.open(name, _READ | os.O_NOFOLLOW, dir_fd=within)
    stream = _regular(descriptor)
    if stream is None:
        raise FileNotFoundError("{} is no ordinary file".format(path))
    with stream:
        yield stream


def read_text(path: str) -> Optional[str]:
    """Return a file's text, None when it is absent or no ordinary file. Raises OSError."""
    try:
        stream = _regular(os.open(path, _READ))
    except OSError as error:
        if error.errno in _NO_FILE:
            return None
        raise
    if stream is None:
        return None
    with stream:
        return stream.read().decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")


def names_in(path: str) -> List[str]:
    """Return the names in a directory, none for what is no directory. Raises OSError."""
    try:
        return os.listdir(path)
    except OSError as error:
        if error.errno in _NO_FILE:
            return []
        raise


def read_json(path: str) -> Optional[Dict[str, Any]]:
    """Return a file's JSON object, None when the file is absent or holds something else."""
    try:
        value = json.loads(read_text(path) or "null")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def write_text(path: str, text: str, mode: int = 0o644, below: str = "", durable: bool = True) -> None:
    """Write a file in one step: readers see the old text or the new one, also after a kill or a power cut.

    ``mode`` holds whatever the umask. Without ``durable`` it is not put on disk: for the many small files of
    a tree that is synced as a whole. Raises OSError.
    """

    def make(beside: str, within: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(beside, flags, 0o600, dir_fd=within), "wb") as stream:
            stream.write(text.encode("utf-8"))
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            if durable:
                os.fsync(stream.fileno())

    _put(path, below, durable, make)


def write_json(
    path: str, value: Dict[str, Any], mode: int = 0o644, below: str = "", durable: bool = True
) -> None:
    """Write a JSON object in one step, with sorted keys. Raises OSError."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n", mode, below, durable)


def link(path: str, target: str, below: str = "") -> None:
    """Make ``path`` a symlink to ``target`` in one step, replacing what file or link was there."""
    _put(path, below, True, lambda beside, within: os.symlink(target, beside, dir_fd=within))


def is_leftover(name: str, of: str) -> bool:
    """Return whether a killed run may have left a file of this name while it wrote ``of``."""
    match = _LEFTOVER.fullmatch(name)
    return bool(match and match.group("name") == of)


def leftovers(path: str) -> List[str]:
    """Return the paths of what killed runs left while they wrote ``path``."""
    directory, name = os.path.split(path)
    try:
        names = [other for other in os.listdir(directory) if is_leftover(other, name)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(os.path.join(directory, other) for other in names)


def discard(path: str, below: str = "") -> None:
    """Remove a file, a link or a tree if it is there; no link is followed on the way down.

    A tree is renamed first, so that a kill half-way leaves nothing that looks whole, and a program that still
    writes there cannot come in the way. Raises OSError.
    """
    try:
        with parent(path, below) as (within, name):
            mode = os.stat(name, dir_fd=within, follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode) and not name.endswith(GOING):
                remove(name + GOING, within)
                os.rename(name, name + GOING, src_dir_fd=within, dst_dir_fd=within)
                name += GOING
            remove(name, within)
    except (FileNotFoundError, NotADirectoryError):
        return


def make_way(path: str, directory: bool = False) -> None:
    """Remove what is in the way of a file or a link at ``path``, or of a directory. Raises OSError.

    For paths that are ours alone: a directory goes with all that is in it, a link without what it leads to.
    """
    is_directory = os.path.isdir(path) and not os.path.islink(path)
    if os.path.lexists(path) and is_directory != directory and (directory or is_directory):
        discard(path)


def sha256(path: str) -> str:
    """Return the SHA-256 of a file, as hex digits."""
    with open(path, "rb") as stream:
        return sha256_of(stream)


def sha256_of(stream: BinaryIO) -> str:
    """Return the SHA-256 of what an open file holds from where it stands, as hex digits."""
    digest = hashlib.sha256()
    for block in iter(lambda: stream.read(_BLOCK), b""):
        digest.update(block)
    return digest.hexdigest()


def _regular(descriptor: int) -> Optional[BinaryIO]:
    """Return a stream of an open file; None, and the descriptor closed, when it is no ordinary file."""
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return open(descriptor, "rb")
    os.close(descriptor)
    return None


def _put(path: str, below: str, durable: bool, make: Callable[[str, int], None]) -> None:
    """Let ``make`` make something under a random name, and rename it to ``path``."""
    with parent(path, below) as (within, name):
        for attempt in range(_TRIES):
            _remove_leftovers(name, within)
            beside = "{}.{}{}".format(name, os.urandom(4).hex(), _NEW)
            try:
                make(beside, within)
                os.replace(beside, name, src_dir_fd=within, dst_dir_fd=within)
                break
            except FileNotFoundError:
                if attempt == _TRIES - 1:
                    raise
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(beside, dir_fd=within)
                raise
        if durable:
            sync_descriptor(within)


def _remove_leftovers(name: str, within: int) -> None:
    for other in os.listdir(within):
        if is_leftover(other, name):
            with contextlib.suppress(OSError):
                os.unlink(other, dir_fd=within)
