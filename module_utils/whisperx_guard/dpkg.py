"""What apt tells its hooks, and what dpkg's own database says."""

from __future__ import annotations

import os
from typing import Dict, List, Sequence, Set, Tuple

from .model import Change

__all__ = ["ARCHITECTURES", "STATUS", "installed", "owns", "parse", "selections"]

# uname -m -> Debian's word (dpkg's cputable).
ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "i686": "i386",
    "armv7l": "armhf",
    "ppc64le": "ppc64el",
    "s390x": "s390x",
    "riscv64": "riscv64",
}  # fmt: skip
STATUS = "/var/lib/dpkg/status"
_INFO = "/var/lib/dpkg/info"
_ABSENT = "-"
_FIELDS = 9


def parse(text: str) -> Tuple[Dict[str, str], List[Change]]:
    """Return apt's configuration and the changes, of what apt writes to a hook that asked for version 3.

    apt.conf(5), DPkg::Pre-Install-Pkgs: a line "VERSION 3", the configuration as lines "Option=value", an
    empty line, then per package: name, old version, its architecture and multi-arch type, direction, new
    version, its architecture and multi-arch type, file or **CONFIGURE** or **REMOVE**. A file's name comes
    as it is, line feeds included: after a file a line that is no package is the rest of a name. Raises
    ValueError for anything else.
    """
    head, _separator, body = text.partition("\n\n")
    lines = head.split("\n")
    if lines[0].strip() != "VERSION 3":
        raise ValueError("apt speaks '{}', not version 3 of its protocol".format(lines[0][:40]))
    options = dict(line.split("=", 1) for line in lines[1:] if "=" in line)
    changes, named = [], False
    for line in body.split("\n"):
        fields = line.split(" ", _FIELDS - 1)
        if len(fields) != _FIELDS:
            if named or not line:
                continue
            raise ValueError("apt sent a line of {} fields: {}".format(len(fields), line[:200]))
        package, old, old_arch, _old_multi, _sign, new, new_arch, _new_multi, action = fields
        named = named or action.startswith("/")
        if action == "**CONFIGURE**":
            continue
        after = "" if action == "**REMOVE**" or new == _ABSENT else new
        arch = new_arch if after else old_arch
        changes.append(Change(package, arch, "" if old == _ABSENT else old, after))
    return options, changes


def owns(change: Change, paths: Sequence[str], info: str = _INFO) -> bool:
    """Return whether the installed package has one of the files, as dpkg's list of its files says."""
    for name in (change.package, "{}:{}".format(change.package, change.arch)):
        path = os.path.join(info, name + ".list")
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as stream:
                listed = set(stream.read().splitlines())
        except OSError:
            continue
        return any(path in listed or _unmerged(path) in listed for path in paths)
    return False


def _unmerged(path: str) -> str:
    """Return the path that a package from before the merge of /bin and /usr/bin gives for the same file."""
    return path[len("/usr") :] if path.startswith("/usr/") else path


def installed(status: str = STATUS) -> Set[str]:
    """Return the names of the installed packages."""
    return {name.partition(":")[0] for name in selections(status)}


def selections(status: str = STATUS) -> Dict[str, str]:
    """Return what is wanted of every installed package: "name:arch" -> "install", "hold" or another word."""
    found: Dict[str, str] = {}
    with open(status, encoding="utf-8", errors="replace") as stream:
        paragraphs = stream.read().split("\n\n")
    for paragraph in paragraphs:
        fields = dict(
            line.split(": ", 1) for line in paragraph.split("\n") if ": " in line and not line.startswith(" ")
        )
        words = fields.get("Status", "").split()
        if len(words) == 3 and words[2] == "installed":
            found["{}:{}".format(fields["Package"], fields.get("Architecture", "all"))] = words[0]
    return found
