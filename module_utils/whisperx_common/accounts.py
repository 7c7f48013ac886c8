"""Both sides: users and groups, of this machine by its name service, of a mounted image by its files."""

from __future__ import annotations

import contextlib
import os
from typing import List, NamedTuple, Optional, Set, Tuple

__all__ = ["Accounts"]


class _User(NamedTuple):
    name: str
    uid: int
    gid: int


class _Group(NamedTuple):
    name: str
    gid: int
    members: Tuple[str, ...]


class Accounts:
    """The accounts of the system below ``top``. They are read when first asked for, which is rare."""

    def __init__(self, top: str = "/") -> None:
        self._top = top
        self._read: Optional[Tuple[List[_User], List[_Group]]] = None

    def user(self, uid: int) -> str:
        """Return a user for people: `alice (uid 1000)`, `uid 1000` for one that nobody knows."""
        name = next((user.name for user in self._all(uid=uid)[0] if user.uid == uid), "")
        return "{} (uid {})".format(name, uid) if name else "uid {}".format(uid)

    def group(self, gid: int) -> str:
        """Return a group for people: its name, else its number."""
        return next((group.name for group in self._all(gid=gid)[1] if group.gid == gid), str(gid))

    def members(self, gid: int) -> Set[int]:
        """Return the user ids whose group this is, be it their first or a further one.

        A group that nobody knows has none: only root could join it. A member without an account is none.
        """
        users, groups = self._all(gid=gid)
        named = {name for group in groups if group.gid == gid for name in group.members}
        found = {user.uid for user in users if user.gid == gid or user.name in named}
        for name in sorted(named - {user.name for user in users}):
            found |= self._asked(name)
        return found

    def _all(self, uid: int = -1, gid: int = -1) -> Tuple[List[_User], List[_Group]]:
        """Return every account; of this machine also the one asked for, which may only be found by number."""
        if self._top != "/":
            if self._read is None:
                self._read = (_users(self._lines("passwd")), _groups(self._lines("group")))
            return self._read
        import grp
        import pwd

        if self._read is None:
            self._read = (
                [_User(each.pw_name, each.pw_uid, each.pw_gid) for each in pwd.getpwall()],
                [_Group(each.gr_name, each.gr_gid, tuple(each.gr_mem)) for each in grp.getgrall()],
            )
        users, groups = self._read
        with contextlib.suppress(KeyError, OverflowError):
            if uid >= 0:
                one = pwd.getpwuid(uid)
                users = [*users, _User(one.pw_name, one.pw_uid, one.pw_gid)]
        with contextlib.suppress(KeyError, OverflowError):
            if gid >= 0:
                other = grp.getgrgid(gid)
                groups = [*groups, _Group(other.gr_name, other.gr_gid, tuple(other.gr_mem))]
        return users, groups

    def _asked(self, name: str) -> Set[int]:
        """Return the user of a name that the listing lacks, as of a directory service."""
        if self._top != "/":
            return set()
        import pwd

        try:
            return {pwd.getpwnam(name).pw_uid}
        except KeyError:
            return set()

    def _lines(self, name: str) -> List[List[str]]:
        """Return the fields of every line of a file in the image's /etc."""
        try:
            fd = os.open(os.path.join(self._top, "etc", name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return []
        with os.fdopen(fd, encoding="utf-8", errors="replace") as stream:
            return [line.rstrip("\n").split(":") for line in stream.read(1 << 20).splitlines()]


def _users(lines: List[List[str]]) -> List[_User]:
    good = [row for row in lines if len(row) >= 4 and row[2].isdecimal() and row[3].isdecimal()]
    return [_User(row[0], int(row[2]), int(row[3])) for row in good]


def _groups(lines: List[List[str]]) -> List[_Group]:
    good = [row for row in lines if len(row) >= 4 and row[2].isdecimal()]
    return [_Group(row[0], int(row[2]), tuple(filter(None, row[3].split(",")))) for row in good]
