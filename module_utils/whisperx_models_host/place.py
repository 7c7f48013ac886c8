"""Place a set of models: files by digest, the set beside the active one, its manifest, the link; then prune.

Killed at any instant, `current` leads to a whole set, and the next run completes the work.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from typing import BinaryIO, Callable, Dict, Iterator, List, Sequence

from ..whisperx_common.durable import make_directories, replace, sync_directory
from ..whisperx_common.files import (
    discard,
    link,
    make_way,
    names_in,
    read_text,
    sha256,
    write_json,
    write_text,
)
from ..whisperx_problem import Problem
from . import listing
from .model import MTIME, SCHEMA, Layout, Wanted

__all__ = ["place", "prune", "repair", "take"]

_BLOCK = 1 << 20
# What a link to a file may fail with, where a copy does not.
_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS)
# What is copied in any case: NLTK from 3.10 on refuses files that have several links (nltk/pathsec.py).
_COPIED = "nltk/"
# The parts of a set are there even when they are empty: the libraries make them else, and may not.
_ALWAYS = ("hub", "torch/hub/checkpoints", "nltk")

Emit = Callable[[str], None]


def claim(layout: Layout) -> None:
    """Mark the root as ours, and make its directories."""
    if read_text(layout.marker) is None:
        write_json(layout.marker, {"schema": SCHEMA, "made_by": "whisperx-fleet"})
    for name in ("files", "sets"):
        make_way(layout.path(name), directory=True)
        make_directories(layout.path(name), 0o755, layout.root)


def repair(layout: Layout, doubtful: List[str]) -> None:
    """Read the files that somebody wrote to: what is right is marked as such, what is not goes."""
    for name in doubtful:
        path = layout.file(name)
        if os.path.isfile(path) and not os.path.islink(path) and sha256(path) == name:
            _seal(path)
        else:
            discard(path, layout.root)


def take(layout: Layout, sha256_wanted: str, source: str) -> int:
    """Copy a file that travelled to the host into the store; return its bytes.

    Raises Problem "models.transfer" when it is another file. It is opened once, no link is followed.
    """
    target = layout.file(sha256_wanted)
    beside = target + ".new"
    discard(beside, layout.root)
    digest, size = hashlib.sha256(), 0
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with _regular(source) as stream, open(os.open(beside, flags, 0o600), "wb") as copy:
        for block in iter(lambda: stream.read(_BLOCK), b""):
            digest.update(block)
            copy.write(block)
            size += len(block)
    if digest.hexdigest() != sha256_wanted:
        discard(beside, layout.root)
        raise Problem(
            "models.transfer",
            "the transferred file has SHA-256 {}".format(digest.hexdigest()),
            source,
            "SHA-256 {}".format(sha256_wanted),
            "Run again; if it repeats, check disk and memory of the controller and of this host.",
        )
    keep(layout, sha256_wanted, beside)
    return size


def keep(layout: Layout, sha256_wanted: str, beside: str) -> None:
    """Give a file whose digest was compared its place."""
    _seal(beside)
    replace(beside, layout.file(sha256_wanted))


def place(layout: Layout, wanted: Wanted, emit: Emit) -> None:
    """Make the set of files that are all there, and switch to it. Raises OSError."""
    target = layout.set(wanted.identity)
    if listing.read_set(layout, wanted.identity) is None:
        discard(target, layout.root)
        beside = target + ".new"
        discard(beside, layout.root)
        _lay(layout, wanted, beside)
        emit("laid")
        write_json(os.path.join(beside, "manifest.json"), dict(wanted.value))
        replace(beside, target)
    else:
        _lay(layout, wanted, target)
    emit("set")
    make_way(layout.current)
    link(layout.current, os.path.join("sets", wanted.identity))
    emit("switched")


def prune(layout: Layout, spare: Sequence[str], wanted: Wanted) -> None:
    """Remove the sets ``spare``, of a listing after the switch, and what no set has any more."""
    for name in spare:
        discard(layout.set(name), layout.root)
    kept: Dict[str, Wanted] = {}
    for name in names_in(layout.path("sets")):
        one = listing.read_set(layout, name)
        if one is None:
            discard(layout.set(name), layout.root)
        else:
            kept[name] = one
    named = {one.sha256 for each in kept.values() for one in each.files}
    for name in names_in(layout.path("files")):
        if name not in named:
            discard(layout.file(name), layout.root)
    if not wanted.identity and not kept:
        for name in ("files", "sets", os.path.basename(layout.marker), ".lock"):
            discard(layout.path(name))
        with contextlib.suppress(OSError):  # a mount point, or something of somebody else
            os.rmdir(layout.root)
            sync_directory(os.path.dirname(layout.root))


def _lay(layout: Layout, wanted: Wanted, target: str) -> None:
    """Make every file of a set at ``target``; those that are right stay."""
    for name in _ALWAYS:
        make_directories(os.path.join(target, name), 0o755, layout.root)
    for one in wanted.files:
        path = os.path.join(target, one.path)
        make_directories(os.path.dirname(path), 0o755, layout.root)
        _share(layout.file(one.sha256), path, one.path.startswith(_COPIED))
    for folder, revision in wanted.revisions.items():
        refs = os.path.join(target, "hub", folder, "refs")
        make_directories(refs, 0o755, layout.root)
        if read_text(os.path.join(refs, "main")) != revision:
            write_text(os.path.join(refs, "main"), revision)
        # Libraries of before 1.33 make it, although they only read.
        make_directories(os.path.join(target, "hub", ".locks", folder), 0o755, layout.root)


def _linked(source: str, path: str) -> bool:
    """Make ``path`` a link to the file ``source``; return whether the file system has such links."""
    try:
        os.link(source, path, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        return False
    return True


def _share(source: str, path: str, copied: bool) -> None:
    """Let ``path`` be the file ``source``; a copy if ``copied``, or where no links to files can be made."""
    state = os.lstat(source)
    with contextlib.suppress(FileNotFoundError):
        there = os.lstat(path)
        if not copied and (there.st_dev, there.st_ino) == (state.st_dev, state.st_ino):
            return
        alike = (there.st_size, there.st_mtime, there.st_nlink) == (state.st_size, state.st_mtime, 1)
        if copied and alike and stat.S_ISREG(there.st_mode):
            return
    make_way(path)
    beside = path + ".new"
    discard(beside)
    if copied or not _linked(source, beside):
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with _regular(source) as stream, open(os.open(beside, flags, 0o600), "wb") as copy:
            for block in iter(lambda: stream.read(_BLOCK), b""):
                copy.write(block)
        _seal(beside)
    replace(beside, path)


def _seal(path: str) -> None:
    """Make a file one that all may read and nobody writes, with the time by which a write is noticed."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, 0o444)
        os.utime(descriptor, (MTIME, MTIME))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _regular(path: str) -> Iterator[BinaryIO]:
    """Open an ordinary file for reading. Raises FileNotFoundError for anything else."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FileNotFoundError(errno.ENOENT, "no ordinary file", path)
        yield stream
