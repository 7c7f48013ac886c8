"""The versions of further packages: the decision does not choose them, the lock of the class has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...whisperx_common.lockfile import parse
from ...whisperx_problem import Problem
from ..decide import Decision

__all__ = ["with_locked"]


def with_locked(decision: Decision, lock_dir: str) -> Decision:
    """Return the decision with the extras of each class among its hosts' pins, as far as they are locked.

    A lock that is missing, malformed or for other extras adds nothing: the lock's own step says so.
    """
    known: dict[str, dict[str, str]] = {}
    hosts = {}
    for name, record in decision.hosts.items():
        hosts[name] = record
        if record.get("extras"):
            identity = str(record["class"])
            if identity not in known:
                known[identity] = _locked(Path(lock_dir) / f"{identity}.txt", record["extras"])
            hosts[name] = {**record, "pins": {**record["pins"], **known[identity]}}
    return Decision(hosts, decision.classes)


def _locked(path: Path, extras: Mapping[str, Any]) -> dict[str, str]:
    """Return the versions of the extras in a lock, {} where it is not for just these."""
    try:
        lock = parse(path.read_bytes().decode("utf-8"), str(path))
    except (Problem, OSError, UnicodeDecodeError):
        return {}
    if {extra.name: extra.specifier for extra in lock.extras} != dict(extras):
        return {}
    return {name: lock.versions[name] for name in extras}
