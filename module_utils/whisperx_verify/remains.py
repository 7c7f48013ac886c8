"""Reads what a child left behind: what it answered, and what its death answers."""

from __future__ import annotations

import json
import re
import signal
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from .process import Ending
from .records import Check

__all__ = ["EXIT_TIMEOUT", "Remains", "interpret", "read_events", "read_text"]

# Seconds a child that has done everything may take to end; threads of native libraries can keep it.
EXIT_TIMEOUT = 120.0
# Nothing in the packages sends SIGKILL, and the process cannot say anything itself.
OUT_OF_MEMORY = "the kernel ends processes like this when memory runs out"
# Characters of one error text.
ERROR_LIMIT = 2000


class Remains(NamedTuple):
    """A child's ending, its events, the stacks of faulthandler, and when it ended (monotonic seconds)."""

    ending: Ending
    events: List[Dict[str, Any]]
    trace: str
    ended: float


def read_events(path: str) -> List[Dict[str, Any]]:
    """Return the events in the file; a last line that is not whole yet is left out."""
    events = []
    for line in read_text(path).splitlines():
        try:
            events.append(json.loads(line))
        except ValueError:
            break
    return events


def read_text(path: str) -> str:
    """Return what the file holds, "" when there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


def interpret(remains: Remains, timeout: float) -> Tuple[List[Check], bool]:
    """Return the checks this child answered, and whether another child is to go on."""
    checks: List[Check] = []
    unfinished: Optional[Dict[str, Any]] = None
    for event in remains.events:
        if event["event"] == "begin":
            unfinished = event
        elif event["event"] == "end":
            unfinished = None
            fields = {key: event[key] for key in ("name", "ok", "seconds", "detail", "error", "optional")}
            checks.append(Check(**fields))
    if unfinished is not None:
        death = _death(unfinished["name"], remains, timeout)
        seconds = round(remains.ended - unfinished["at"], 3)
        checks.append(death._replace(optional=unfinished["optional"], seconds=seconds))
        return checks, True
    done = any(event["event"] == "done" for event in remains.events)
    if not (done and remains.ending.code == 0):
        name = "exit" if done else ("between checks" if remains.events else "start")
        checks.append(_death(name, remains, timeout))
    return checks, False


def _death(name: str, remains: Remains, timeout: float) -> Check:
    """Return the check that the child ended in the middle of."""
    code, words = remains.ending.code, _last_words(remains.ending.output)
    signal_name = None
    if remains.ending.timed_out:
        seconds = min(timeout, EXIT_TIMEOUT) if name == "exit" else timeout
        error = f"no end after {seconds:g} s" + ("; last output: " + words if words else "")
    elif code is not None and code < 0:
        signal_name = _signal_name(-code)
        error = words or (OUT_OF_MEMORY if -code == signal.SIGKILL else "")
    else:
        error = words or f"the process ended with exit code {code}"
    return Check(name, False, detail=_place(remains.trace), error=error, signal=signal_name)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_words(output: str) -> str:
    """Return the last line of the output that says something."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:ERROR_LIMIT] if lines else ""


def _place(trace: str) -> str:
    """Return file and line of the innermost Python frame in faulthandler's ``trace``, "" when there is none.

    It looks like this, the interesting thread being the "Current" one, or the last, which is the main thread:
        Current thread 0x00007f (most recent call first):
          File "/opt/.../torch/__init__.py", line 290 in _load_global_deps
    """
    threads = re.split(r"(?m)^(?=Thread 0x|Current thread 0x)", trace)[1:]
    current = [thread for thread in threads if thread.startswith("Current")]
    frames = re.findall(r'(?m)^  File "([^<"][^"]*)", line (\d+)', (current or threads or [""])[-1])
    return ":".join(frames[0]) if frames else ""
