"""Starts children that do the checks, and makes findings of their deaths.

A child that dies or hangs in the middle of a check has answered that check; a new child goes on with the
rest. Runs under any Python from 3.8 on: Ansible's on the target, or the environment's own when started by
hand.
"""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from .process import Ending, run_group
from .records import Check, Request

__all__ = ["DEFAULT_TIMEOUT", "supervise"]

# Seconds one level may take. Importing torch and pyannote takes about 15 on an idle machine, a minute on a
# slow disk; a GPU newer than the wheel's machine code compiles its kernels at first use, which takes
# minutes.
DEFAULT_TIMEOUT = 600.0
# Seconds a child that has done everything may take to end; threads of native libraries can keep it.
EXIT_TIMEOUT = 30.0
# A hang costs the whole of a level's time, so there are not many of them.
HANGS = 2
# What makes a check independent of the network, of the caller's home and of other processes' cores.
SETTINGS = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "PYANNOTE_METRICS_ENABLED": "0",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",
    "PYTHONNOUSERSITE": "1",
}


# Nothing in the packages sends this signal, and the process cannot say anything itself.
OUT_OF_MEMORY = "the kernel ends processes like this when memory runs out"


class Outcome(NamedTuple):
    """What one child left: its ending, the events it wrote, the stacks that faulthandler wrote."""

    ending: Ending
    events: List[Dict[str, Any]]
    trace: str


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
    warnings (the same of optional checks), output (end of the last child's output when something failed).
    """
    start = time.monotonic()
    base = dict(os.environ if environment is None else environment)
    checks: List[Check] = []
    hangs, output = 0, ""
    while True:
        settled = {check.name: check.ok for check in checks}
        outcome = _run(request, python, probe, scratch, timeout, base, settled, len(checks))
        fresh, again = interpret(outcome, timeout)
        checks += fresh
        hangs += outcome.ending.timed_out
        output = outcome.ending.output if any(not check.ok for check in fresh) else output
        if not again:
            break
        if hangs >= HANGS:
            error = f"not tried, because {hangs} checks hung"
            checks.append(Check("remaining checks", False, error=error))
            break
    if not checks:
        checks.append(Check("start", False, error="there was nothing to check: no import is named"))
    return _report(request, checks, time.monotonic() - start, output)


def _run(
    request: Request,
    python: Sequence[str],
    probe: str,
    scratch: str,
    timeout: float,
    base: Dict[str, str],
    settled: Dict[str, bool],
    number: int,
) -> Outcome:
    """Run one child and collect what it left."""
    prefix = os.path.join(scratch, f"child-{number}")
    events = prefix + ".events"
    arguments = {
        "request": request.record(),
        "settled": settled,
        "events": events,
        "scratch": scratch,
        "patience": timeout,
    }
    with open(prefix + ".json", "w", encoding="utf-8") as stream:
        json.dump(arguments, stream)
    command = [*list(python), os.path.join(probe, "probe.py"), "--child", prefix + ".json"]
    clock = _Clock(events, timeout)
    try:
        ending = run_group(command, _environment(base, scratch), scratch, clock.deadline)
    except OSError as problem:
        ending = Ending(127, False, f"cannot start {command[0]}: {problem.strerror}")
    return Outcome(ending, _events(events), _read(events + ".trace"))


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
            turns = [event["event"] for event in _events(self._events) if event["event"] in ("level", "done")]
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


def _events(path: str) -> List[Dict[str, Any]]:
    """Return the events in the file; a last line that is not whole yet is left out."""
    events = []
    for line in _read(path).splitlines():
        try:
            events.append(json.loads(line))
        except ValueError:
            break
    return events


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


def interpret(outcome: Outcome, timeout: float) -> Any:
    """Return (the checks this child answered, whether another child is to go on)."""
    checks: List[Check] = []
    open_step: Optional[Dict[str, Any]] = None
    for event in outcome.events:
        if event["event"] == "begin":
            open_step = event
        elif event["event"] == "end":
            open_step = None
            fields = {key: event[key] for key in ("name", "ok", "seconds", "detail", "error", "optional")}
            checks.append(Check(**fields))
    if open_step is not None:
        checks.append(_death(open_step["name"], bool(open_step["optional"]), outcome, timeout))
        return checks, True
    done = any(event["event"] == "done" for event in outcome.events)
    if done and outcome.ending.code == 0:
        return checks, False
    if done:
        name = "exit"
    elif outcome.events:
        name = "between checks"
    else:
        name = "start"
    checks.append(_death(name, False, outcome, timeout))
    return checks, False


def _death(name: str, optional: bool, outcome: Outcome, timeout: float) -> Check:
    """Return the check that ``outcome`` ended in the middle of."""
    code, output = outcome.ending.code, outcome.ending.output
    place = _place(outcome.trace)
    words = _last_words(output)
    number = None
    if outcome.ending.timed_out:
        seconds = min(timeout, EXIT_TIMEOUT) if name == "exit" else timeout
        error = f"no end after {seconds:g} s" + ("; last output: " + words if words else "")
    elif code is not None and code < 0:
        number = _signal_name(-code)
        error = words or (OUT_OF_MEMORY if -code == signal.SIGKILL else "")
    else:
        error = words or f"the process ended with exit code {code}"
    return Check(name, False, detail=place, error=error, signal=number, optional=optional)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_words(output: str) -> str:
    """Return the last line of the output that says something."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:2000] if lines else ""


def _place(trace: str) -> str:
    """Return file and line of the innermost Python frame in faulthandler's ``trace``, "" when there is none.

    It looks like this, the interesting thread being the "Current" one, or the last, which is the main thread:
        Current thread 0x00007f (most recent call first):
          File "/opt/.../torch/__init__.py", line 290 in _load_global_deps
    """
    blocks = trace.split("hread 0x")
    current = [block for before, block in zip(blocks, blocks[1:]) if before.endswith("Current t")]
    for line in (current or blocks[1:])[-1:][0].splitlines() if len(blocks) > 1 else []:
        text = line.strip()
        if text.startswith('File "') and not text.startswith('File "<'):
            file, _, rest = text[len('File "') :].partition('", line ')
            return "{}:{}".format(file, rest.split(" ")[0])
    return ""


def _report(request: Request, checks: List[Check], seconds: float, output: str) -> Dict[str, Any]:
    failed = [check for check in checks if not check.ok and not check.optional]
    return {
        "ok": not failed,
        "level": request.level,
        "device": request.device,
        "seconds": round(seconds, 3),
        "checks": [check.record() for check in checks],
        "findings": [check.sentence() for check in failed],
        "warnings": [check.sentence() for check in checks if not check.ok and check.optional],
        "output": output[-4000:] if failed else "",
    }
