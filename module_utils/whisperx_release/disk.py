"""Is there room, and may we write? Asked before anything is downloaded."""

from __future__ import annotations

import os
from typing import Any, Callable, Mapping, Sequence

from ..whisperx_common import trust
from ..whisperx_problem import Problem
from .model import Layout

__all__ = [
    "MIB",
    "Statvfs",
    "check_paths",
    "check_room",
    "check_trusted",
    "check_writable",
    "existing",
    "make",
]

MIB = 1024 * 1024
Statvfs = Callable[[str], os.statvfs_result]


def check_room(
    path: str, wish: int, purpose: str, option: str, rule: str, statvfs: Statvfs = os.statvfs
) -> None:
    """Raise Problem ``rule`` when the file system of ``path`` has less than ``wish`` bytes free."""
    place = existing(path)
    answer = statvfs(place)
    room = answer.f_bavail * answer.f_frsize
    if room < wish:
        raise Problem(
            rule,
            "{} MiB free".format(room // MIB),
            place,
            "{} MiB, for {}".format(-(-wish // MIB), purpose),
            "Free some space, or set {} to a larger file system.".format(option),
        )


def check_writable(paths: Mapping[str, str], statvfs: Statvfs = os.statvfs) -> None:
    """Check that each directory (path -> the option that sets it) can be written, or made.

    Raises Problem "env.not-a-directory", "env.read-only", "env.no-exec" or "env.not-writable".
    """
    for path, option in paths.items():
        place = existing(path)
        _check_way(path, place, option)
        flags = statvfs(place).f_flag
        if flags & os.ST_NOEXEC and option.endswith("_root"):
            raise Problem(
                "env.no-exec",
                "a file system mounted with noexec",
                place,
                "one that programs and libraries can be loaded from",
                "Remount it with exec, or set {} to another path.".format(option),
            )
        if flags & os.ST_RDONLY:
            raise Problem(
                "env.read-only",
                "a read-only file system",
                place,
                "one that can be written",
                "Remount it read-write, or set {} to another path.".format(option),
            )
        if not os.access(place, os.W_OK | os.X_OK):
            raise Problem(
                "env.not-writable",
                "a directory that user id {} may not write".format(os.geteuid()),
                place,
                "a directory to write in",
                "Run as root (become: true), or set {} to another path.".format(option),
            )


def check_paths(layout: Layout, given: Mapping[str, Any], options: Sequence[str], shared: str = "") -> None:
    """Check the directories that a module's options name.

    ``shared``: the option of one that all users may write to. Raises Problem for one that depends on where
    Ansible runs ("env.relative-path", "container.relative-path"), and as `check_trusted` does.
    """
    named = [option for option in options if given[option]]
    for option in named:
        if not os.path.isabs(given[option]):
            raise Problem(
                layout.area + ".relative-path",
                "'{}'".format(given[option]),
                "option {}, in the role {}".format(option, layout.option(option)),
                "an absolute path",
                "Write it with a leading slash.",
            )
    check_trusted(layout, {given[option]: layout.option(option) for option in named if option != shared})


def check_trusted(layout: Layout, paths: Mapping[str, str]) -> None:
    """Raise Problem "env.untrusted-directory", or a container's, for a directory that others can change."""
    trust.check(paths, layout.area + ".untrusted-directory")


def make(layout: Layout, path: str, name: str, mode: int = 0o755) -> None:
    """Make a directory that lies where others may write, as below /tmp; it is judged before and after.

    ``name`` is the end of the variable that sets it. Raises Problem as `check_trusted` does, OSError.
    """
    trust.make(path, layout.option(name), layout.area + ".untrusted-directory", mode)


def existing(path: str) -> str:
    """Return the path or its nearest parent that exists."""
    while not os.path.isdir(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def _check_way(path: str, place: str, option: str) -> None:
    """Raise Problem when something that is no directory stands on the way from ``place`` to ``path``."""
    step = path
    while step != place:
        if os.path.lexists(step):
            raise Problem(
                "env.not-a-directory",
                "something that is no directory",
                step,
                "a directory, or nothing",
                "Move it away, or set {} to another path.".format(option),
            )
        step = os.path.dirname(step)
