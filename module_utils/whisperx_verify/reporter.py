"""Says what a child is about to do before it does it, and what became of it.

One JSON line per event in a file that outlives the process: it may die or hang in the middle of any step.
"""

from __future__ import annotations

import faulthandler
import json
import os
import time
import traceback
from typing import Any, Callable, Dict

from .records import NOT_TRIED

__all__ = ["Reporter", "error_text"]

# Characters of one error text; an exception may carry a whole page.
ERROR_LIMIT = 2000
# The stacks of a hanging child are written this long before the supervisor's patience ends, in seconds.
BEFORE_END = 1.0


class Reporter:
    """Runs the steps and writes what becomes of them to ``path``.

    ``settled`` are the results of earlier children, ``patience`` the seconds a level may take.
    """

    def __init__(self, path: str, settled: Dict[str, bool], patience: float) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # A bare descriptor: faulthandler writes to it until the very end.
        self._trace = os.open(path + ".trace", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._patience = patience
        self.results = dict(settled)
        faulthandler.enable(self._trace)

    def say(self, event: str, **more: Any) -> None:
        """Write one event; a single write, so that a killed process leaves no half of it."""
        os.write(self._file, (json.dumps(dict(more, event=event)) + "\n").encode("utf-8"))

    def level(self, name: str) -> None:
        """Start a level: it has its own time."""
        self.say("level", level=name)
        soon = max(self._patience - BEFORE_END, self._patience / 2)
        faulthandler.dump_traceback_later(soon, file=self._trace)

    def step(self, name: str, action: Callable[[], str], optional: bool = False) -> bool:
        """Do ``action``, which returns what it saw or raises, unless settled; return whether it went well."""
        if name in self.results:
            return self.results[name]
        start, detail, error = time.monotonic(), "", ""
        self.say("begin", name=name, optional=optional, at=start)
        try:
            detail = action()
        except (
            Exception,
            SystemExit,
        ) as problem:  # a module that ends the process when imported is broken too
            traceback.print_exc()
            detail, error = _place(problem), error_text(problem)
        seconds = round(time.monotonic() - start, 3)
        self.results[name] = not error
        self.say(
            "end", name=name, ok=not error, seconds=seconds, detail=detail, error=error, optional=optional
        )
        return not error

    def blocked(self, name: str, *needed: str) -> bool:
        """Return whether one of the steps ``needed`` failed, and if so say that ``name`` was not tried."""
        missing = [other for other in needed if self.results.get(other) is False]
        if missing and name not in self.results:
            self.results[name] = False
            error = f"{NOT_TRIED} '{missing[0]}' failed"
            self.say("end", name=name, ok=False, seconds=0.0, detail="", error=error, optional=False)
        return bool(missing)

    def note(self, name: str, error: str) -> None:
        """Write down something that is wrong and fails nothing."""
        self.say("end", name=name, ok=False, seconds=0.0, detail="", error=error, optional=True)

    def done(self) -> None:
        """Say that nothing is left to do."""
        faulthandler.cancel_dump_traceback_later()
        self.say("done")


def error_text(problem: BaseException) -> str:
    """Return the last line of what Python prints for ``problem``, and that of its cause where it has one."""
    text = _one_line(problem)
    cause = problem.__cause__ or (None if problem.__suppress_context__ else problem.__context__)
    if cause is not None and _one_line(cause) not in text:
        text += "; caused by " + _one_line(cause)
    return text[:ERROR_LIMIT]


def _one_line(problem: BaseException) -> str:
    kind = type(problem)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    text = " ".join(str(problem).split())
    return f"{name}: {text}" if text else name


def _place(problem: BaseException) -> str:
    """Return file and line of the innermost frame of ``problem`` that lies in a package, or ""."""
    own = os.path.dirname(os.path.abspath(__file__))
    library = os.path.dirname(os.__file__)
    for frame in reversed(traceback.extract_tb(problem.__traceback__)):
        path, folder = frame.filename, os.path.dirname(frame.filename)
        inside = path.startswith(library + os.sep) and "-packages" not in path
        if not (path.startswith("<") or inside or folder == own):
            return f"{path}:{frame.lineno}"
    return ""
