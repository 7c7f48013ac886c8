"""What a run takes from outside: the proof, an ear for its progress, the clock, the environment."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Mapping

from ..whisperx_common.progress import Progress

__all__ = ["Emit", "Hooks", "Prove"]

Emit = Callable[[str], None]
# Release's path, what is wanted, options: the last two are the runtime's own records.
Prove = Callable[[str, Any, Any], Dict[str, Any]]


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _silent(event: str) -> None:
    pass


@dataclass(frozen=True)
class Hooks:
    """The callables and values that tests replace.

    ``prove(path, wanted, options)`` verifies a release and raises Problem, ``emit`` is told of every step as
    it is done, ``now`` gives the time for the record (ISO 8601, UTC), ``inherited`` is the environment,
    ``progress`` is told how far a download is.
    """

    prove: Prove
    emit: Emit = _silent
    now: Callable[[], str] = _now
    inherited: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    progress: Progress = field(default_factory=Progress)
