"""Which distribution this is, by the ``distro`` class that Ansible carries."""

from __future__ import annotations

from typing import Any, Callable, Dict

from ..whisperx_common.tree import Tree
from ..whisperx_problem import Problem
from .model import Os

__all__ = ["family_of", "read_os"]

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
    release = ""
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        if tree.exists(path):
            release = path
            break
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
        raise Problem(
            "host.os-release",
            f"the identity of the distribution cannot be read: {error}",
            release or "/etc/*-release",
            "NAME=value lines with matching quotes, in UTF-8",
            "Mend the file on the host.",
        ) from error
    sources["os"] = release or "/etc/*-release"
    if not identity:
        return Os()
    # On a testing release distro falls back to /etc/debian_version, "forky/sid": that is no version.
    version = version if version[:1].isdigit() else ""
    return Os(identity, version, codename or None, family_of(identity, like))
