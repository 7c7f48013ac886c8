"""What the system runs in and under: a container, WSL, a Jetson, Secure Boot, SELinux."""

from __future__ import annotations

import re
from typing import Dict, Optional

from ..whisperx_common.tree import Tree
from .model import Tegra

__all__ = [
    "parse_containerenv",
    "parse_l4t",
    "parse_secure_boot",
    "read_container",
    "read_secure_boot",
    "read_selinux",
    "read_tegra",
    "read_wsl",
]

_L4T = re.compile(r"^# R(\d+) \(release\), REVISION: (\d+(?:\.\d+)*)")
_ENGINE = re.compile(r'^engine="?([a-z]+)', re.MULTILINE)
_CGROUP = re.compile(r"/(docker|libpod|lxc|kubepods|containerd)[-/.]")
_SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_SELINUX_OFF = re.compile(r"^SELINUX=(\w+)", re.MULTILINE)
_ENGINES = {"libpod": "podman", "kubepods": "kubernetes"}


def parse_containerenv(text: str) -> str:
    """Return the engine of ``/run/.containerenv``, ``engine="podman-5.4.2"``; "podman" if it names none."""
    match = _ENGINE.search(text)
    return match.group(1) if match else "podman"


def read_container(tree: Tree, sources: Dict[str, str]) -> Optional[str]:
    """Return the kind of container this is, or None.

    1. ``/run/.containerenv`` (podman); 2. ``/.dockerenv``; 3. ``/run/systemd/container``, which holds the
       name;
    4. ``container=`` in ``/proc/1/environ``; 5. a Kubernetes secret; 6. the path in ``/proc/1/cgroup``.
    """
    text = tree.text("/run/.containerenv", private=True)
    if text is not None:
        sources["container"] = "/run/.containerenv"
        return parse_containerenv(text)
    if tree.exists("/.dockerenv"):
        sources["container"] = "/.dockerenv"
        return "docker"
    text = (tree.text("/run/systemd/container", private=True) or "").strip()
    if text and text != "wsl":
        sources["container"] = "/run/systemd/container"
        return text
    for entry in (tree.text("/proc/1/environ", private=True) or "").split("\0"):
        if entry.startswith("container=") and entry != "container=" and entry != "container=wsl":
            sources["container"] = "/proc/1/environ"
            return entry.split("=", 1)[1].strip()
    if tree.exists("/run/secrets/kubernetes.io"):
        sources["container"] = "/run/secrets/kubernetes.io"
        return "kubernetes"
    match = _CGROUP.search(tree.text("/proc/1/cgroup", private=True) or "")
    if match:
        sources["container"] = "/proc/1/cgroup"
        return _ENGINES.get(match.group(1), match.group(1))
    return None


def read_wsl(tree: Tree, sources: Dict[str, str]) -> bool:
    """Tell whether this is WSL: 1. "microsoft" in ``/proc/sys/kernel/osrelease``; 2. ``/dev/dxg``."""
    if "microsoft" in (tree.text("/proc/sys/kernel/osrelease", private=True) or "").lower():
        sources["wsl"] = "/proc/sys/kernel/osrelease"
        return True
    if tree.exists("/dev/dxg"):
        sources["wsl"] = "/dev/dxg"
        return True
    return False


def parse_l4t(text: str) -> Optional[str]:
    """Return "36.4" of ``# R36 (release), REVISION: 4.0, GCID: ...``, "36.4.3" of ``REVISION: 4.3``.

    None for any other text.
    """
    match = _L4T.match(text)
    if not match:
        return None
    revision = match.group(2)
    return "{}.{}".format(match.group(1), revision[:-2] if revision.endswith(".0") else revision)


def read_tegra(tree: Tree, sources: Dict[str, str]) -> Optional[Tegra]:
    """Find a Jetson: ``/etc/nv_tegra_release``; a file with another first line still says that it is one."""
    text = tree.text("/etc/nv_tegra_release", private=True)
    if text is None:
        return None
    sources["tegra"] = "/etc/nv_tegra_release"
    return Tegra(parse_l4t(text) or "")


def parse_secure_boot(data: bytes) -> Optional[bool]:
    """Return whether byte 4 of the variable, the first behind its attributes, is 1; None if it is shorter."""
    return data[4] == 1 if len(data) >= 5 else None


def read_secure_boot(tree: Tree, sources: Dict[str, str]) -> Optional[bool]:
    """Read the EFI variable SecureBoot; None on machines without EFI and in containers."""
    data = tree.head(_SECURE_BOOT, 16, private=True)
    if data is None:
        return None
    sources["secure_boot"] = _SECURE_BOOT
    return parse_secure_boot(data)


def read_selinux(tree: Tree, running: bool, sources: Dict[str, str]) -> Optional[str]:
    """Find SELinux's mode: 1. ``/sys/fs/selinux/enforce``, "1" or "0"; 2. ``SELINUX=`` in its configuration.

    A configuration without the mounted file system means that the kernel runs without it: disabled. In a tree
    that does not run, it is what the next boot gets.
    """
    text = tree.text("/sys/fs/selinux/enforce", private=True)
    if text is not None:
        sources["selinux"] = "/sys/fs/selinux/enforce"
        return "enforcing" if text.strip() == "1" else "permissive"
    match = _SELINUX_OFF.search(tree.text("/etc/selinux/config", private=True) or "")
    if not match:
        return None
    sources["selinux"] = "/etc/selinux/config"
    if running or match.group(1) not in ("enforcing", "permissive"):
        return "disabled"
    return match.group(1)
