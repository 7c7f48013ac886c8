"""Starts children that do the checks, and makes findings of their deaths.

A child that dies or hangs in the middle of a check has answered that check; a new child goes on with the
rest. Runs under any Python from 3.8 on: Ansible's on the target, or the environment's own when started by
hand.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from .process import Ending, run_group
from .records import LEVELS, NOT_TRIED, USUAL, Check, Request
from .remains import EXIT_TIMEOUT, Remains, interpret, read_events, read_text

__all__ = ["DEFAULT_TIMEOUT", "supervise"]

# Seconds one level may take. Importing torch and pyannote takes about 15 on an idle machine, a minute on a
# slow disk; a GPU newer than the wheel's machine code compiles its kernels at first use, which takes
# minutes.
DEFAULT_TIMEOUT = 600.0
# A hang costs the whole of a level's time, so there are not many of them.
HANGS = 2
# What makes a check independent of the network, of the caller's home and of other processes' cores. The rest
# is the launcher's to set: a proof must not hide what users' runs do.
SETTINGS = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",
    "PYTHONNOUSERSITE": "1",
}


class Job(NamedTuple):
    """What every child of one proof has in common; see ``supervise``."""

    request: Request
    python: Sequence[str]
    probe: str
    scratch: str
    timeout: float
    environment: Dict[str, str]


def supervise(
    request: Request,
    python: Sequence[str],
    probe: str,
    scratch: str,
    timeout: float = DEFAULT_TIMEOUT,
    environment: Optional[Dict[str, str]] = None,
) -> Dict[str, Any]:
    """Do the checks of ``request`` with ``python`` (command) and the probe files in the directory ``probe``.

    ``scratch`` is an existing directory for temporary files, which the caller removes; ``timeout`` is the
    seconds one level may take; ``environment`` is what the children get, the caller's own by default.
    Returns the report: ok, level, device, seconds, checks, findings (sentences that say what failed),
    warnings (the same of optional checks), output (end of what the last failing child printed).
    """
    start = time.monotonic()
    base = dict(os.environ if environment is None else environment)
    job = Job(request, python, probe, scratch, timeout, _environment(base, scratch))
    checks: List[Check] = []
    hangs, output, again = 0, "", True
    while again:
        remains = _run(job, checks)
        fresh, again = interpret(remains, timeout)
        checks += fresh
        hangs += remains.ending.timed_out
        output = remains.ending.output if any(not check.ok for check in fresh) else output
        if again and hangs >= HANGS:
            error = f"{NOT_TRIED} {hangs} checks hung"
            checks.append(Check("the rest", False, error=error))
            again = False
    if not checks:
        checks.append(Check("start", False, error="there was nothing to check: no import is named"))
    return _report(request, checks, time.monotonic() - start, output)


def _run(job: Job, before: Sequence[Check]) -> Remains:
    """Run one child that does what is not done ``before``, and collect what it left."""
    prefix = os.path.join(job.scratch, f"child-{len(before)}")
    events = prefix + ".events"
    arguments = {
        "request": job.request.record(),
        "settled": {check.name: check.ok for check in before},
        "events": events,
        "scratch": job.scratch,
        "patience": job.timeout,
    }
    with open(prefix + ".json", "w", encoding="utf-8") as stream:
        json.dump(arguments, stream)
    command = [*job.python, os.path.join(job.probe, "probe.py"), "--child", prefix + ".json"]
    clock = _Clock(events, job.timeout)
    try:
        ending = run_group(command, job.environment, job.scratch, clock.deadline)
    except OSError as problem:
        ending = Ending(127, False, f"cannot start {command[0]}: {problem.strerror}")
    return Remains(ending, read_events(events), read_text(events + ".trace"), time.monotonic())


class _Clock:
    """The deadline of a child; it moves whenever the child writes that it starts a level or is done."""

    def __init__(self, events: str, timeout: float) -> None:
        self._events = events
        self._timeout = timeout
        self._turns = 0
        self._size = 0
        self._deadline = time.monotonic() + timeout

    def deadline(self) -> float:
        try:
            size = os.stat(self._events).st_size
        except OSError:
            return self._deadline
        if size != self._size:
            self._size = size
            turns = [
                event["event"] for event in read_events(self._events) if event["event"] in ("level", "done")
            ]
            if len(turns) != self._turns:
                self._turns = len(turns)
                patience = min(self._timeout, EXIT_TIMEOUT) if turns[-1] == "done" else self._timeout
                self._deadline = time.monotonic() + patience
        return self._deadline


def _environment(base: Dict[str, str], scratch: str) -> Dict[str, str]:
    """Return ``base`` with a home and caches in ``scratch`` and everything that reaches out switched off."""
    home = os.path.join(scratch, "home")
    os.makedirs(home, exist_ok=True)
    from_scratch = {
        "HOME": home,
        "TMPDIR": scratch,
        "XDG_CACHE_HOME": os.path.join(home, ".cache"),
        "XDG_CONFIG_HOME": os.path.join(home, ".config"),
        "HF_HOME": os.path.join(home, ".cache", "huggingface"),
        "TORCH_HOME": os.path.join(home, ".cache", "torch"),
        "MPLCONFIGDIR": os.path.join(home, ".config", "matplotlib"),
        "NUMBA_CACHE_DIR": os.path.join(home, ".cache", "numba"),
        "NLTK_DATA": os.path.join(scratch, "nltk_data"),
        "OMP_NUM_THREADS": str(max(1, min(4, len(os.sched_getaffinity(0))))),
    }
    return dict(base, **SETTINGS, **from_scratch)


def _reached(level: str, checks: List[Check]) -> str:
    """Return the level of a report: a placed model makes speech of the usual one."""
    heard = any(check.name.startswith("speech ") and not check.optional for check in checks)
    return LEVELS[-1] if level == USUAL and heard else level


def _report(request: Request, checks: List[Check], seconds: float, output: str) -> Dict[str, Any]:
    failed = [check for check in checks if not check.ok and not check.optional]
    causes = [check for check in failed if not check.consequence()]
    return {
        "ok": not failed,
        "level": _reached(request.level, checks),
        "device": request.device,
        "seconds": round(seconds, 3),
        "checks": [check.record() for check in checks],
        "findings": [check.sentence() for check in causes or failed],
        "warnings": [check.sentence() for check in checks if not check.ok and check.optional],
        "output": output[-4000:] if failed else "",
    }
