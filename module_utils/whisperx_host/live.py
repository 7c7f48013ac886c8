"""What a running machine answers besides its files; a mounted tree or a fixture answers nothing, or the
recorded.

This module and ``tree.py`` are the only ones that touch the machine.
"""

from __future__ import annotations

import os
import struct
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable, Optional, Sequence, Tuple

__all__ = ["Live", "here", "nothing"]

if TYPE_CHECKING:
    from .nvml import Answer

_COMMAND_SECONDS = 10.0


@dataclass(frozen=True)
class Live:
    """confstr: "glibc 2.41" or None; uname: (release, machine); running: (real path, version) of this Python.

    ``nvml`` asks the NVIDIA management library at one of the given paths. ``run`` returns the output of a
    command, or None when it fails: only for a version that no file tells. ``home`` is where the user's own
    interpreters are.
    """

    confstr: Optional[str] = None
    uname: Optional[Tuple[str, str]] = None
    running: Optional[Tuple[str, str]] = None
    nvml: Optional[Callable[[Sequence[str]], Answer]] = None
    run: Optional[Callable[[Sequence[str]], Optional[str]]] = None
    home: str = "/root"


def nothing() -> Live:
    """Return the answers of a system that does not run."""
    return Live()


def here(timeout: float) -> Live:
    """Return the answers of this machine; NVML may take ``timeout`` seconds."""
    try:
        confstr = os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):
        confstr = None
    uname = os.uname()
    # A 32-bit userland on a 64-bit kernel needs 32-bit wheels: the kernel's word is not enough.
    narrow = {"x86_64": "i686", "aarch64": "armv7l"} if struct.calcsize("P") == 4 else {}
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info[3] != "final":
        short = {"alpha": "a", "beta": "b", "candidate": "rc"}[sys.version_info[3]]
        version += f"{short}{sys.version_info[4]}"
    return Live(
        confstr=confstr,
        uname=(uname.release, narrow.get(uname.machine, uname.machine)),
        running=(os.path.realpath(sys.executable), version) if sys.executable else None,
        nvml=lambda libraries: _ask_nvml(libraries, timeout),
        run=_run,
        home=os.path.expanduser("~"),
    )


def _ask_nvml(libraries: Sequence[str], timeout: float) -> Answer:
    """Ask NVML in a child; the code for it is loaded only where a driver is."""
    from .nvml import query

    return query(libraries, timeout)


def _run(command: Sequence[str]) -> Optional[str]:
    """Return what ``command`` prints, or None when it fails or takes longer than ten seconds."""
    import subprocess

    try:
        done = subprocess.run(  # no AnsibleModule here  # pylint: disable=ansible-bad-function
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
