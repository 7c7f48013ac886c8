"""What a release was proved on, read cheaply, for rollback and audit to tell whether it still holds."""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass
from typing import Any, Dict, Mapping

from ..whisperx_common import process
from ..whisperx_common.files import read_text
from ..whisperx_common.versions import numbers

__all__ = ["Here", "here", "interpreter", "record", "unfit"]

# The version of the loaded NVIDIA kernel module, one line; absent without one (and in WSL).
_DRIVER = "/sys/module/nvidia/version"
# Seconds that an interpreter may take to tell its version.
_ANSWER = 20


@dataclass(frozen=True)
class Here:
    """``glibc`` is "" on another C library, ``driver`` is "" without NVIDIA's."""

    glibc: str
    machine: str
    driver: str


def here(driver: str = _DRIVER) -> Here:
    """Read this host."""
    try:
        family, _separator, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (ValueError, OSError):
        family, version = "", ""
    return Here(version if family == "glibc" else "", os.uname().machine, (read_text(driver) or "").strip())


def record(release: str) -> Dict[str, Any]:
    """Return this host for the record of a release: `Here`, and the version of its interpreter."""
    return dict(asdict(here()), python=interpreter(os.path.join(release, "bin", "python")))


def interpreter(path: str) -> str:
    """Return the whole version of the Python at ``path`` ("3.11.2"), "" when it cannot tell."""
    code = "import sys; print('.'.join(map(str, sys.version_info[:3])))"
    try:
        failed, said = process.run([path, "-I", "-S", "-c", code], {}, _ANSWER)
    except OSError:
        return ""
    return said.strip() if not failed and re.match(r"\d+\.\d+\.\d+$", said.strip()) else ""


def unfit(device: str, recorded: Mapping[str, Any], now: Here) -> str:
    """Return why a release for ``device``, proved on the recorded host, no longer fits; "" if it does.

    A newer driver runs what an older one ran (NVIDIA's compatibility of user programs), an older one may not.
    """
    then = str(recorded.get("driver") or "")
    if device != "cuda" or not then:
        return ""
    if not now.driver:
        return "the NVIDIA driver (then {}) is gone".format(then)
    if numbers(now.driver) < numbers(then):
        return "the NVIDIA driver is {}, older than {} on which it was verified".format(now.driver, then)
    return ""
