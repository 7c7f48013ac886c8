"""What a release was proved on, read cheaply, so that a rollback can tell whether it still holds."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any, Dict, Mapping, Tuple

from .files import read_text

__all__ = ["Here", "here", "record", "unfit"]

# The version of the loaded NVIDIA kernel module, one line; absent without one (and in WSL).
_DRIVER = "/sys/module/nvidia/version"


@dataclass(frozen=True)
class Here:
    """``glibc`` is "" on another C library, ``driver`` is "" without NVIDIA's."""

    glibc: str
    machine: str
    driver: str


def here(driver: str = _DRIVER) -> Here:
    """Read this host."""
    try:
        family, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (ValueError, OSError):
        family, version = "", ""
    return Here(version if family == "glibc" else "", os.uname().machine, (read_text(driver) or "").strip())


def record() -> Dict[str, Any]:
    """Return this host for a release's record."""
    return asdict(here())


def unfit(device: str, recorded: Mapping[str, Any], now: Here) -> str:
    """Return why a release for ``device``, proved on the recorded host, no longer fits; "" if it does.

    A newer driver runs what an older one ran (NVIDIA's compatibility of user programs), an older one may not.
    """
    then = str(recorded.get("driver") or "")
    if device != "cuda" or not then:
        return ""
    if not now.driver:
        return "the NVIDIA driver (then {}) is gone".format(then)
    if _numbers(now.driver) < _numbers(then):
        return "the NVIDIA driver is {}, older than {} on which it was proved".format(now.driver, then)
    return ""


def _numbers(version: str) -> Tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
