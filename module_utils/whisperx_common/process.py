"""Run a program so that it cannot outlive us: killed when we are killed, and when it takes too long."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

__all__ = ["PATH", "TIMED_OUT", "run"]

# Where programs are looked for, whatever the caller's own path is.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# What `timeout` of coreutils exits with.
TIMED_OUT = 124

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def _silent(line: str) -> None:
    pass


def run(
    argv: List[str],
    environment: Dict[str, str],
    timeout: float,
    given: str = "",
    heard: Callable[[str], None] = _silent,
    passed: Sequence[int] = (),
) -> Tuple[int, str]:
    """Run ``argv`` with ``given`` as input for ``timeout`` seconds at most; return exit code and output.

    ``heard`` is told each line as it comes; ``passed`` are descriptors that the program gets.
    """
    child = subprocess.Popen(  # no AnsibleModule here  # pylint: disable=ansible-bad-function
        argv,
        env=environment,
        cwd="/",
        stdin=subprocess.PIPE if given else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=tuple(passed),
        preexec_fn=_die_with_parent(),
    )
    said: List[str] = []
    ear = threading.Thread(target=_listen, args=(child, said, heard), daemon=True)
    ear.start()
    try:
        _give(child, given)
        ear.join(timeout)
        if ear.is_alive():
            return TIMED_OUT, _end(child, ear, said)
        return child.wait(), "".join(said)
    finally:
        if child.poll() is None:
            _end(child, ear, said)


def _give(child: subprocess.Popen[bytes], given: str) -> None:
    if child.stdin is not None:
        with contextlib.suppress(BrokenPipeError), child.stdin as stream:
            stream.write(given.encode())


def _listen(child: subprocess.Popen[bytes], said: List[str], heard: Callable[[str], None]) -> None:
    """Take down what the child and all it started write, until the last of them is done."""
    if child.stdout is not None:
        with child.stdout as stream:
            for line in stream:
                said.append(line.decode("utf-8", "replace"))
                heard(said[-1])


def _end(child: subprocess.Popen[bytes], ear: threading.Thread, said: List[str]) -> str:
    """Kill the child and all it started; return what they had written."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()
    ear.join()
    return "".join(said)


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
