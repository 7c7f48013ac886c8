"""Both sides: put on disk what a power cut must not take.

A file that was written and renamed is in memory only; after a cut its name may lead to nothing or to zero
bytes. So data is synced before the record that speaks of it, and a directory after a rename in it.
"""

from __future__ import annotations

import errno
import os
import re
import subprocess
from typing import Callable, Dict, Iterable, List, Optional

from .beneath import DIRECTORY, directory

__all__ = ["make_directories", "replace", "sync_directory", "sync_tree"]

# What the file systems say that cannot sync a directory of their own (some network ones).
_CANNOT = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)
_MOUNTS = "/proc/self/mountinfo"
_ESCAPED = re.compile(r"\\([0-7]{3})")


def sync_tree(paths: Iterable[str]) -> None:
    """Put everything on disk that lies on the file systems of ``paths``, and of what is mounted below them.

    ``paths`` are files and directories; absent ones are left out. One call per file system, for a sync of
    every single file of a large tree takes minutes. Before Linux 5.8 that call hides errors of writing, so
    each path is synced by itself as well: give the records and the directories. Raises OSError.
    """
    present = [path for path in paths if os.path.exists(path)]
    seen: Dict[int, str] = {}
    for path in present + _mounted_below(present):
        seen.setdefault(os.stat(path).st_dev, path)
    for path in seen.values():
        _sync_file_system(path if os.path.isdir(path) else os.path.dirname(path) or ".")
    for path in present:
        _sync(path)


def sync_directory(path: str, below: str = "") -> None:
    """Put the entries of a directory on disk: what was created, renamed or removed in it. Raises OSError."""
    with directory(path, below) as descriptor:
        sync_descriptor(descriptor)


def sync_descriptor(descriptor: int) -> None:
    """Put what is open on disk; a file system that has no such call for it is no error. Raises OSError."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise


def replace(source: str, target: str) -> None:
    """Give a file that was written the name under which it is looked for: contents on disk before the name.

    A tree of files may be given where nothing is at ``target``. Raises OSError.
    """
    for directory_path, _folders, names in os.walk(source):
        for name in names:
            if not os.path.islink(os.path.join(directory_path, name)):
                _sync(os.path.join(directory_path, name))
        _sync(directory_path)
    if not os.path.isdir(source):
        _sync(source)
    os.replace(source, target)
    _sync(os.path.dirname(target) or ".")


def make_directories(path: str, mode: Optional[int] = 0o755, below: str = "") -> None:
    """Make a directory and its missing parents, each on disk in the one that it is in.

    ``mode`` is that of the last one, whatever the umask; None leaves it to the umask. One that is there keeps
    its own. With ``below`` no component from there on may be a link. Raises OSError.
    """
    path = os.path.normpath(path)
    head, name = os.path.split(path)
    if not name or path == os.path.normpath(below or os.sep):
        return
    if not os.path.isdir(head or "."):
        inside = bool(below) and _inside(head, below)
        make_directories(head, mode if mode is None else 0o755, below if inside else "")
    with directory(head or ".", below) as within:
        try:
            os.mkdir(name, 0o777 if mode is None else 0o700, dir_fd=within)
        except FileExistsError:
            # Also raised for a link, or a file: then it must be a directory, unless links are refused.
            os.close(os.open(name, DIRECTORY | (os.O_NOFOLLOW if below else 0), dir_fd=within))
            return
        made = os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=within)
        try:
            if mode is not None:
                os.fchmod(made, mode)
        finally:
            os.close(made)
        sync_descriptor(within)


def _inside(path: str, top: str) -> bool:
    return os.path.commonpath([os.path.abspath(path), os.path.abspath(top)]) == os.path.abspath(top)


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        sync_descriptor(descriptor)
    finally:
        os.close(descriptor)


def _sync_file_system(path: str) -> None:
    """Sync the file system of a directory: the system's call, else coreutils' program, else all of them."""
    call = _syncfs()
    if call is not None:
        descriptor = os.open(path, DIRECTORY)
        try:
            call(descriptor)
        finally:
            os.close(descriptor)
        return
    try:
        done = subprocess.run(  # no AnsibleModule here  # pylint: disable=ansible-bad-function
            ["sync", "-f", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
    except OSError:
        os.sync()
        return
    said = done.stdout.decode("utf-8", "replace").strip()
    if done.returncode and "option" in said:  # a `sync` that does not know -f, as busybox's
        os.sync()
    elif done.returncode:
        raise OSError(errno.EIO, said or "sync failed", path)


def _syncfs() -> Optional[Callable[[int], None]]:
    """Return syncfs(2), which Python has not; None where Python has no ctypes or the library no such call."""
    try:
        import ctypes

        function = ctypes.CDLL(None, use_errno=True).syncfs
    except (ImportError, OSError, AttributeError):
        return None

    def call(descriptor: int) -> None:
        if function(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    return call


def _mounted_below(paths: List[str]) -> List[str]:
    """Return the mount points that lie below any of the paths."""
    try:
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as stream:
            escaped = [line.split(" ")[4] for line in stream if line.count(" ") > 4]
    except OSError:
        return []
    points = [_ESCAPED.sub(lambda found: chr(int(found.group(1), 8)), field) for field in escaped]
    tops = tuple(os.path.realpath(path).rstrip(os.sep) + os.sep for path in paths)
    return [point for point in points if point.startswith(tops) and os.path.isdir(point)] if tops else []
