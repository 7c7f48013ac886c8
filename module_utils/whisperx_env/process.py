"""Run a program so that it cannot outlive us: killed when we are killed, and when it takes too long."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any, Callable, Dict, List, Optional, Tuple

__all__ = ["TIMED_OUT", "run"]

# What `timeout` of coreutils exits with.
TIMED_OUT = 124

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def run(argv: List[str], environment: Dict[str, str], timeout: float, given: str = "") -> Tuple[int, str]:
    """Run ``argv`` with ``given`` as input for ``timeout`` seconds at most; return exit code and output."""
    child = subprocess.Popen(
        argv,
        env=environment,
        cwd="/",
        stdin=subprocess.PIPE if given else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=_die_with_parent(),
    )
    try:
        output, _ = child.communicate(given.encode() if given else None, timeout=timeout)
        return child.returncode, output.decode("utf-8", "replace")
    except subprocess.TimeoutExpired:
        return TIMED_OUT, _end(child)
    finally:
        if child.poll() is None:
            _end(child)


def _end(child: subprocess.Popen[bytes]) -> str:
    """Kill the child and all it started; return what it had written."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    output, _ = child.communicate()
    return output.decode("utf-8", "replace")


def _die_with_parent() -> Optional[Callable[[], None]]:
    """Return what a child runs before it becomes the program, None where Python has no ctypes."""
    try:
        import ctypes

        libc: Any = ctypes.CDLL(None)
        prctl = libc.prctl
    except (ImportError, OSError, AttributeError):
        return None
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return ask
