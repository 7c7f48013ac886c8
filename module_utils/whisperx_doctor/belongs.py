"""Whose a file is, by the data of whoever may have installed it. Nothing is run but `rpm -qf`.

In: a path of the system, and where that is mounted. Out: words: a package of dpkg, rpm, pip or conda, a CUDA
toolkit.
"""

from __future__ import annotations

import glob
import json
import os
import re
import subprocess
from typing import Iterator, List, Optional, Sequence

from ..whisperx_common.files import read_text
from .installed import distributions

__all__ = ["at", "below", "owner_of", "text"]

_LARGEST = 1 << 26
_RPM = ("/usr/bin/rpm", "/bin/rpm")
_RPM_SECONDS = 20


def owner_of(path: str, root: str = "/") -> str:
    """Return who installed a file, in words."""
    place = at(root, path)
    names = list(dict.fromkeys(_aliases(path) + _aliases(below(root, os.path.realpath(place)))))
    for finder in (_of_python, _of_conda, _of_dpkg, _of_rpm, _of_toolkit):
        owner = finder(names, root)
        if owner:
            return owner
    return "no package that is known here installed it"


def _aliases(path: str) -> List[str]:
    """The path, and the same with and without /usr, for package managers know one of both."""
    if path.startswith("/usr/lib"):
        return [path, path[len("/usr") :]]
    return [path, "/usr" + path] if path.startswith("/lib") else [path]


def _of_python(names: Sequence[str], root: str) -> str:
    """The distribution whose RECORD lists it, in any directory of packages above."""
    for name in names:
        head, found, _tail = name.rpartition("-packages/")
        if not found:
            continue
        site = head + "-packages"
        inside = name[len(site) + 1 :]
        for package, version, info in distributions(at(root, site)):
            record = text(os.path.join(info, "RECORD")) or ""
            if any(line.startswith((inside + ",", f'"{inside}",')) for line in record.splitlines()):
                return f"{package} {version} in {site}"
    return ""


def _of_conda(names: Sequence[str], root: str) -> str:
    for name in names:
        for prefix in _above(name):
            for meta in sorted(
                glob.glob(os.path.join(glob.escape(at(root, prefix)), "conda-meta", "*.json"))
            ):
                inside = name[len(prefix) :].lstrip("/")
                if f'"{inside}"' in (text(meta) or ""):
                    return f"conda's package {os.path.basename(meta)[: -len('.json')]} in {prefix}"
    return ""


def _of_dpkg(names: Sequence[str], root: str) -> str:
    """The Debian package in whose list it is; the lists are read, as `dpkg -S` does."""
    wanted = {name + "\n" for name in names}
    for path in sorted(glob.glob(os.path.join(glob.escape(at(root, "/var/lib/dpkg/info")), "*.list"))):
        listed = (text(path) or "") + "\n"
        if any(name in listed for name in wanted) and wanted & set(listed.splitlines(keepends=True)):
            package = os.path.basename(path)[: -len(".list")]
            version = _dpkg_version(package.partition(":")[0], root)
            return f"the system's package {package} {version}".rstrip()
    return ""


def _dpkg_version(package: str, root: str) -> str:
    status = text(at(root, "/var/lib/dpkg/status")) or ""
    block = re.search(rf"(?m)^Package: {re.escape(package)}$(?:\n(?!$).*)*", status)
    version = re.search(r"(?m)^Version: (\S+)", block.group(0)) if block else None
    return version.group(1) if version else ""


def _of_rpm(names: Sequence[str], root: str) -> str:
    program = next((path for path in _RPM if os.path.isfile(path)), "")
    if not program:
        return ""
    command = [program, *(["--root", root] if root != "/" else []), "-qf"]
    command += ["--qf", "%{NAME} %{VERSION}-%{RELEASE}\n"]
    for name in names:
        try:
            done = subprocess.run(  # no AnsibleModule here  # pylint: disable=ansible-bad-function
                [*command, "--", name],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=_RPM_SECONDS,
                env={"LC_ALL": "C"},
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        lines = done.stdout.decode("utf-8", "replace").splitlines()
        if done.returncode == 0 and lines:
            return f"the system's package {lines[0]}"
    return ""


def _of_toolkit(names: Sequence[str], root: str) -> str:
    """The CUDA toolkit that was unpacked there, by its own version file."""
    for name in names:
        for prefix in _above(name):
            told = text(at(root, os.path.join(prefix, "version.json")))
            try:
                version = json.loads(told or "{}")["cuda"]["version"]
            except (ValueError, KeyError, TypeError):
                plain = re.search(
                    r"CUDA Version (\S+)", text(at(root, os.path.join(prefix, "version.txt"))) or ""
                )
                named = re.search(r"/cuda-(\d+(?:\.\d+)*)$", prefix)
                match = plain or named
                version = match.group(1) if match else ""
            if version:
                return f"the CUDA toolkit {version} in {prefix}"
    return ""


def _above(path: str) -> Iterator[str]:
    """The directories above a file, the nearest first, without the root."""
    place = os.path.dirname(path)
    while place not in ("", "/"):
        yield place
        place = os.path.dirname(place)


def text(path: str) -> Optional[str]:
    """A regular file's text, None where it is none or no real list of files is that long."""
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > _LARGEST:
            return None
    except OSError:
        return None
    return read_text(path)


def at(root: str, path: str) -> str:
    return path if root == "/" else os.path.join(root, path.lstrip("/"))


def below(root: str, path: str) -> str:
    top = os.path.realpath(root).rstrip("/")
    return path[len(top) :] if top and path.startswith(top + "/") else path
