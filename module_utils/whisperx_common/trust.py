"""Both sides: may anyone else change what a path leads to? Asked before anything is written there.

A directory is trusted when root, or the user who runs this, owns it and every directory above it, and nobody
else may write in them. "Nobody else" counts accounts: a group may write while it has no other members, as
root:staff on Debian's /usr/local/bin, or the group of one's own that useradd makes. With the sticky
bit a directory such as /tmp may stand above: there nobody renames what belongs to somebody else.

Paths are walked from / by directory descriptors, links resolved component by component, so what was judged is
what the kernel follows. POSIX access lists are read too. What is not seen: members of a group that the host's
name service does not list, access lists of NFSv4, and whoever may write to the device itself.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
from dataclasses import dataclass
from typing import FrozenSet, List, Mapping, Optional, Tuple

from ..whisperx_problem import Problem
from .accounts import Accounts
from .durable import make_directories

__all__ = ["Judge", "Weakness", "check", "check_file", "controller_users", "make", "trusted_users"]

RULE = "env.untrusted-directory"
_LINKS_MAX = 40
_ACL = "system.posix_acl_access"
# linux/posix_acl_xattr.h: a version, then entries of tag, permissions, id.
_ACL_VERSION, _ACL_ENTRY = struct.Struct("<I"), struct.Struct("<HHI")
_ACL_USER, _ACL_GROUP_OWNING, _ACL_GROUP, _ACL_MASK = 0x02, 0x04, 0x08, 0x10
_WRITE = 0o2


@dataclass(frozen=True)
class Weakness:
    """The first component of a path that somebody else can change: its path, owner (uid), mode, and who.

    ``sentence`` says so for people.
    """

    path: str
    owner: int
    mode: int
    who: str
    sentence: str


def trusted_users() -> FrozenSet[int]:
    """Return the user ids that may change what we read and write: root and the user who runs this."""
    return frozenset((0, os.geteuid()))


def controller_users() -> FrozenSet[int]:
    """Return the same for the controller, where who became root by sudo is also the user who runs this.

    Not for hosts: there sudo's caller is the account that Ansible logs in with.
    """
    caller = os.environ.get("SUDO_UID", "")
    by_sudo = os.geteuid() == 0 and caller.isdecimal()
    return trusted_users() | (frozenset((int(caller),)) if by_sudo else frozenset())


def check(paths: Mapping[str, str], rule: str = RULE, trusted: Optional[FrozenSet[int]] = None) -> None:
    """Raise Problem ``rule`` for the first directory (path -> the option that sets it) others can change.

    What does not exist yet is judged by the nearest directory above it.
    """
    judge = Judge(trusted)
    for path, option in paths.items():
        spot = judge.directory(os.path.join(os.getcwd(), path)) if path else None
        if spot is not None:
            raise _problem(rule, path, option, spot, judge)


def check_file(path: str, option: str, rule: str = RULE, trusted: Optional[FrozenSet[int]] = None) -> None:
    """Raise Problem ``rule`` where others can change the directory of a file that is about to be written.

    The sticky bit is enough for it: a file made under a name of its own and renamed is safe there.
    """
    judge = Judge(trusted)
    spot = judge.directory(os.path.dirname(os.path.join(os.getcwd(), path)), may_be_sticky=True)
    if spot is not None:
        raise _problem(rule, path, option, spot, judge)


def make(path: str, option: str, rule: str = RULE, mode: int = 0o755) -> None:
    """Make a directory and what misses above it, and judge it once more: somebody may have been faster.

    After that nobody else can put another one in its place. Raises Problem ``rule``, OSError.
    """
    check({path: option}, rule)
    make_directories(path, mode)
    check({path: option}, rule)


def _problem(rule: str, path: str, option: str, spot: Weakness, judge: Judge) -> Problem:
    cures = [] if spot.owner in judge.trusted else ["chown {} {}".format(os.geteuid(), spot.path)]
    cures += ["chmod go-w {}".format(spot.path)] if spot.mode & 0o022 else []
    other = ", or set {} to another directory".format(option) if option else ""
    return Problem(
        rule,
        spot.sentence,
        path,
        "a directory that only {} can change, as every directory above it".format(
            " and ".join(judge.accounts.user(uid) for uid in sorted(judge.trusted))
        ),
        "Run {}{}.".format(" && ".join(cures), other),
    )


class Judge:
    """Judges paths of the system below ``top``; links lead to nowhere outside of it."""

    def __init__(self, trusted: Optional[FrozenSet[int]] = None, top: str = "/") -> None:
        self.trusted = trusted_users() if trusted is None else trusted
        self.top = top
        self.accounts = Accounts(top)

    def directory(self, path: str, may_be_sticky: bool = False) -> Optional[Weakness]:
        """Return the first component of an absolute path that others can change, None when all is well.

        Where this user may not look, nothing is found: nor could anything be written there.
        """
        try:
            with contextlib.ExitStack() as opened:
                return _walk(path, _Place(self, opened), may_be_sticky)
        except PermissionError:
            return None

    def file(self, path: str) -> Optional[Weakness]:
        """Return the first component of a file's path, the file included, that others can change."""
        return self.directory(path, may_be_sticky=True)

    def who(self, fd: int, info: os.stat_result) -> str:
        """Return who but the trusted can change a directory or file, for people; "" for nobody."""
        if info.st_uid not in self.trusted:
            return self.accounts.user(info.st_uid)
        if info.st_mode & stat.S_IWOTH:
            return "everyone"
        if not info.st_mode & stat.S_IWGRP:
            return ""
        # With an access list the group's bits are its mask: who may write stands in the list.
        listed = _listed(fd)
        entries = [(_ACL_GROUP_OWNING, 0)] if listed is None else listed
        for tag, number in entries:
            if tag == _ACL_USER:
                who = self.accounts.user(number) if number not in self.trusted else ""
            else:
                who = self._group(info.st_gid if tag == _ACL_GROUP_OWNING else number)
            if who:
                return who
        return ""

    def _group(self, gid: int) -> str:
        others = self.accounts.members(gid) - self.trusted
        if not others:
            return ""
        return "{} (of group {})".format(self.accounts.user(min(others)), self.accounts.group(gid))


class _Place:
    """Where a walk is: the directories from the top downwards, each as name, descriptor and status."""

    def __init__(self, judge: Judge, opened: contextlib.ExitStack) -> None:
        self._judge = judge
        self._opened = opened
        top = os.open(judge.top, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        opened.callback(os.close, top)
        self._above: List[Tuple[str, int, os.stat_result]] = [("", top, os.fstat(top))]

    def open(self, name: str) -> Optional[Tuple[int, os.stat_result]]:
        """Return descriptor and status of an entry, links not followed; None when there is none."""
        try:
            fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._above[-1][1])
        except FileNotFoundError:
            return None
        self._opened.callback(os.close, fd)
        return fd, os.fstat(fd)

    def enter(self, name: str, fd: int, info: os.stat_result) -> None:
        """Go into a directory that ``open`` returned."""
        self._above.append((name, fd, info))

    def leave(self) -> None:
        """Go one directory up; the top is above itself."""
        if len(self._above) > 1:
            self._above.pop()

    def leave_all(self) -> None:
        """Go to the top."""
        del self._above[1:]

    def weakness(self, may_be_sticky: bool) -> Optional[Weakness]:
        """Judge this directory."""
        _part, fd, info = self._above[-1]
        if may_be_sticky and info.st_mode & stat.S_ISVTX and info.st_uid in self._judge.trusted:
            return None
        return self._weak("", info, self._judge.who(fd, info))

    def weakness_of_link(self, name: str, info: os.stat_result) -> Optional[Weakness]:
        """Judge a link: in a directory where many write, its owner can put another in its place."""
        if info.st_uid in self._judge.trusted or self.weakness(may_be_sticky=False) is None:
            return None
        return self._weak(name, info, self._judge.accounts.user(info.st_uid))

    def weakness_of_file(self, name: str, fd: int, info: os.stat_result) -> Optional[Weakness]:
        """Judge what is no directory."""
        return self._weak(name, info, self._judge.who(fd, info))

    def endless(self, name: str, info: os.stat_result) -> Optional[Weakness]:
        """Return the finding for links that lead to each other."""
        return self._weak(name, info, "a loop of links, which nobody")

    def _weak(self, name: str, info: os.stat_result, who: str) -> Optional[Weakness]:
        if not who:
            return None
        path = "/" + "/".join([part for part, _fd, _info in self._above[1:]] + ([name] if name else []))
        owner, mode = self._judge.accounts.user(info.st_uid), stat.S_IMODE(info.st_mode)
        told = "{} can change {} (owner {}, mode {:04o})".format(who, path, owner, mode)
        return Weakness(path, info.st_uid, info.st_mode, who, told)


def _walk(path: str, place: _Place, may_be_sticky: bool) -> Optional[Weakness]:
    """Walk a path as the kernel does, and return the first weakness."""
    todo, links = _parts(path), 0
    while True:
        spot = place.weakness(may_be_sticky=may_be_sticky or bool(todo))
        if spot is not None or not todo:
            return spot
        name = todo.pop()
        if name == "..":
            place.leave()
            continue
        entry = place.open(name)
        if entry is None:  # we shall make it; others could only where they can write now
            return None
        fd, info = entry
        if stat.S_ISLNK(info.st_mode):
            links += 1
            spot = place.weakness_of_link(name, info)
            if spot is not None or links > _LINKS_MAX:
                return spot or place.endless(name, info)
            target = os.readlink("", dir_fd=fd)
            if target.startswith("/"):
                place.leave_all()
            todo += _parts(target)
        elif stat.S_ISDIR(info.st_mode):
            place.enter(name, fd, info)
        else:
            return place.weakness_of_file(name, fd, info)


def _parts(path: str) -> List[str]:
    """Return a path's components, the first one last."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _listed(fd: int) -> Optional[List[Tuple[int, int]]]:
    """Return (tag, id) of every entry of an access list that lets write; None without a list."""
    try:
        value = os.getxattr("/proc/self/fd/{}".format(fd), _ACL)
    except OSError:
        return None
    entries = list(_ACL_ENTRY.iter_unpack(value[_ACL_VERSION.size :]))
    mask = next((bits for tag, bits, _owner in entries if tag == _ACL_MASK), _WRITE)
    named = (_ACL_USER, _ACL_GROUP_OWNING, _ACL_GROUP)
    return [(tag, number) for tag, bits, number in entries if tag in named and bits & mask & _WRITE]
