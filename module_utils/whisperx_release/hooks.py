"""What a run takes from outside: an ear for its progress, the clock, the environment, the proof."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterable, Mapping, Tuple

from ..whisperx_common.durable import sync_tree
from ..whisperx_common.progress import Progress
from .followers import Followers

__all__ = ["Emit", "Hooks", "Prove"]

Emit = Callable[[str], None]
# The path of a release, what is wanted, the options: the last two are records of the runtime's own.
Prove = Callable[[str, Any, Any], Dict[str, Any]]


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _silent(event: str) -> None:
    pass


def _no_proof(path: str, wanted: Any, options: Any) -> Dict[str, Any]:
    raise AssertionError("nothing is verified here")


@dataclass(frozen=True)
class Hooks:
    """The callables and values that tests replace.

    ``prove(path, wanted, options)`` verifies a release and raises Problem, ``emit`` hears of every step as
    it is done, ``now`` gives the time for the record (ISO 8601, UTC), ``inherited`` is the environment,
    ``progress`` hears how far a download is. ``settle`` puts on disk what lies at some paths: called before a
    record is written that stands for it. ``passed`` are descriptors for every program that writes in a
    release: the lock of the root lasts until the last of them, and all it started, has ended.
    ``followers`` are the services that follow the active release.
    """

    prove: Prove = _no_proof
    emit: Emit = _silent
    now: Callable[[], str] = _now
    inherited: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    progress: Progress = field(default_factory=Progress)
    settle: Callable[[Iterable[str]], None] = sync_tree
    passed: Tuple[int, ...] = ()
    followers: Followers = field(default_factory=Followers)
