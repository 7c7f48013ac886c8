"""Proves the release that is in use on a host."""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, List, Optional

from ..whisperx_problem import Problem
from ..whisperx_release import records
from ..whisperx_release.records import RECORD
from .main import PLAN
from .records import Check
from .runner import run
from .session import conditions

__all__ = ["failure", "prove_current", "table"]


def prove_current(root: str, level: str, timeout: float) -> Dict[str, Any]:
    """Run the checks up to ``level`` on the release in use below ``root``; return the report with its
    ``release``, and ``conditions``: phrases about the caller's session that keep programs from working.

    Writes nothing below ``root``. Raises Problem "verify.no-release" or "verify.record" when there is
    nothing to check; a release that does not work is told in the report.
    """
    path = os.path.realpath(os.path.join(root, "current"))
    record = _record(root, path)
    plan = _plan(path, record)
    launcher = os.path.join(path, "launch", "python")
    try:
        report = run(
            launcher,
            None,
            level,
            plan.get("device") or "cpu",
            plan.get("imports") or [],
            timeout,
            read_only=True,
        )
    except (ValueError, TypeError) as problem:
        raise _malformed(path, str(problem)) from problem
    except OSError as problem:
        raise Problem(
            "verify.scratch",
            f"temporary files cannot be written: {problem}",
            "the directory for temporary files",
            "about 20 MB of free space for the generated model",
            "Free some space there, or set TMPDIR for the task.",
        ) from problem
    found = [item.found for item in conditions([path])]
    name = str(record.get("id") or os.path.basename(path))
    return dict(report, release=name, path=path, conditions=found)


def failure(report: Dict[str, Any]) -> Problem:
    """Return the Problem "verify.failed" for a report that is not ok."""
    return Problem(
        "verify.failed",
        "; ".join(report["findings"]),
        report["path"],
        f"level {report['level']} to succeed on {report['device']}",
        f"See it again with: {report['path']}/launch/python {report['path']}/verify/probe.py "
        f"--level {report['level']}. playbooks/rollback.yml returns to the previous release.",
    )


def table(report: Dict[str, Any]) -> List[str]:
    """Return the report as lines for a person to read."""
    checks = [Check(**record) for record in report["checks"]]
    word = "verified" if report["ok"] else "NOT verified"
    level, device, seconds = report["level"], report["device"], report["seconds"]
    last = f"{word}: {level} on {device}, {seconds:.1f} s, release {report['release']}"
    session = [f"this session: {sentence}" for sentence in report.get("conditions", ())]
    return [check.line() for check in checks] + session + [last]


def _record(root: str, path: str) -> Dict[str, Any]:
    """Return the record of the release at ``path``."""
    file = os.path.join(path, RECORD)
    if not os.path.lexists(file):
        raise Problem(
            "verify.no-release",
            f"no release is active: {file} does not exist",
            root,
            "an environment made by whisperx_env",
            "Run site.yml first, or set whisperx_verify_root to the directory of the environment.",
        )
    return _read(path, file, records.release)


def _plan(path: str, record: Dict[str, Any]) -> Dict[str, Any]:
    """Return device and imports: of a venv they lie beside its probe, of a container in its record."""
    found: Optional[Dict[str, Any]] = record.get("plan")
    return _read(path, os.path.join(path, "verify", PLAN), records.plan) if found is None else found


def _read(path: str, file: str, read: Callable[[str], Optional[Dict[str, Any]]]) -> Dict[str, Any]:
    """Return a record of the release at ``path``. Raises Problem "verify.record"."""
    try:
        found = read(file)
    except OSError as problem:
        raise _malformed(path, f"{file}: {problem.strerror}") from problem
    if found is None:
        raise _malformed(path, f"{file} is missing, or not what whisperx_env writes")
    return found


def _malformed(path: str, why: str) -> Problem:
    return Problem(
        "verify.record",
        f"the record of the release cannot be used: {why}",
        os.path.join(path, RECORD),
        "the record that whisperx_env wrote last",
        "Roll back with playbooks/rollback.yml, or build the release again with site.yml.",
    )
