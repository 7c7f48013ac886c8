"""Which distribution this is, by the ``distro`` class that Ansible carries."""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, List

from ..whisperx_common.tree import Tree
from ..whisperx_problem import Problem
from .model import Os

__all__ = ["family_of", "read_os"]

# /etc/os-release, /etc/redhat-release, /etc/debian_version, ...
_RELEASE = re.compile(r"[-_](release|version)$")
_LARGEST = 1 << 20
# ID or ID_LIKE of os-release -> the family; Ansible's os_family in lower case.
_FAMILIES = {
    "debian": "debian",
    "ubuntu": "debian",
    "rhel": "redhat",
    "fedora": "redhat",
    "centos": "redhat",
    "rocky": "redhat",
    "almalinux": "redhat",
    "ol": "redhat",
    "amzn": "redhat",
    "suse": "suse",
    "opensuse": "suse",
    "sles": "suse",
    "arch": "archlinux",
    "alpine": "alpine",
    "gentoo": "gentoo",
    "nixos": "nixos",
}


def family_of(identity: str, like: str) -> str:
    """Return the family for an ID ("linuxmint") and its ID_LIKE ("ubuntu debian").

    The ID itself, where neither is known.
    """
    for name in [identity, *like.split()]:
        known = _FAMILIES.get(name.split("-")[0])
        if known:
            return known
    return identity


def read_os(tree: Tree, distribution: Callable[..., Any], sources: Dict[str, str]) -> Os:
    """Ask ``distribution``, a ``LinuxDistribution`` class of the ``distro`` package.

    It reads ``/etc/os-release``, then ``/usr/lib/os-release``, then the old ``/etc/*-release`` files. No
    subprocess: lsb_release and uname stay switched off.
    """
    release = next((path for path in ("/etc/os-release", "/usr/lib/os-release") if tree.exists(path)), "")
    for path in _opened(tree):
        if not tree.is_small_file(path, _LARGEST):
            raise _unreadable("not a file of at most {} bytes".format(_LARGEST), path)
    try:
        answer = distribution(
            include_lsb=False,
            include_uname=False,
            os_release_file=tree.outside(release) if release else "",
            root_dir=tree.root,
        )
        identity, version = answer.id(), answer.os_release_attr("version_id") or answer.version()
        codename, like = answer.codename(), answer.like()
    except (ValueError, OSError) as error:
        raise _unreadable(str(error), release or "/etc/*-release") from error
    sources["os"] = release or "/etc/*-release"
    if not identity:
        return Os()
    # On a testing release distro falls back to /etc/debian_version, "forky/sid": that is no version.
    version = version if version[:1].isdigit() else ""
    return Os(identity, version, codename or None, family_of(identity, like))


def _opened(tree: Tree) -> List[str]:
    """Return the files that ``distro`` may open: it would wait for a FIFO and read an endless one."""
    names = [name for name in tree.names("/etc") if _RELEASE.search(name)]
    paths = ["/usr/lib/os-release", *("/etc/" + name for name in names)]
    return [path for path in paths if tree.exists(path) and not tree.is_directory(path)]


def _unreadable(found: str, where: str) -> Problem:
    return Problem(
        "host.os-release",
        f"the identity of the distribution cannot be read: {found}",
        where,
        "NAME=value lines with matching quotes, in UTF-8",
        "Repair the file on the host.",
    )
