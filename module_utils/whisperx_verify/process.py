"""One child process: started in its own group, watched, killed with all it started when its time is up."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

__all__ = ["Ending", "run_group"]

# What is kept of the output: enough for a traceback and the lines a native library prints before it aborts.
KEPT = 16384
# How often the child's time is looked at, in seconds.
TICK = 0.1
# A killed process gets this long to disappear; one in uninterruptible sleep (a hung driver) may not, in
# seconds.
FAREWELL = 5.0


class Ending(NamedTuple):
    """How the child ended: exit code (negative: the signal) or ``timed_out``, and the end of its output."""

    code: Optional[int]
    timed_out: bool
    output: str


def run_group(
    command: Sequence[str], environment: Dict[str, str], directory: str, deadline: Callable[[], float]
) -> Ending:
    """Run ``command`` in ``directory`` until it ends or ``deadline()`` (monotonic seconds, asked again and
    again) passes.

    OSError when it cannot be started. Afterwards no process of its group is left, nor any zombie.
    """
    process = subprocess.Popen(  # no AnsibleModule here  # pylint: disable=ansible-bad-function
        list(command),
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    output: Any = process.stdout  # the pipe that was asked for
    tail = _Tail()
    os.set_blocking(output.fileno(), False)
    timed_out = False
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while not _ended(process.pid):
                if time.monotonic() > deadline():
                    timed_out = True
                    break
                if selector.get_map():
                    if selector.select(TICK) and not tail.drain(output.fileno()):
                        selector.unregister(output)
                else:  # it closed its output and lives on
                    time.sleep(TICK)
    finally:
        # The child is not reaped yet, so its group's number cannot belong to anybody else.
        _kill(process.pid)
        code = _reap(process)
        tail.drain(output.fileno())
        output.close()
    return Ending(code, timed_out, tail.text())


def _ended(pid: int) -> bool:
    """Return whether the child has ended, without reaping it."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _kill(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _reap(process: subprocess.Popen) -> Optional[int]:  # type: ignore[type-arg]
    """Return the exit code, None for a process that does not even die of SIGKILL."""
    try:
        return process.wait(FAREWELL)
    except subprocess.TimeoutExpired:
        return None


class _Tail:
    """The last bytes of a stream."""

    def __init__(self) -> None:
        self._parts: List[bytes] = []
        self._size = 0

    def drain(self, descriptor: int) -> bool:
        """Take what is there now; return whether more may come."""
        while True:
            try:
                part = os.read(descriptor, 65536)
            except BlockingIOError:
                return True
            if not part:
                return False
            self._parts.append(part)
            self._size += len(part)
            while self._size - len(self._parts[0]) >= KEPT:
                self._size -= len(self._parts.pop(0))

    def text(self) -> str:
        return b"".join(self._parts)[-KEPT:].decode("utf-8", "replace")
