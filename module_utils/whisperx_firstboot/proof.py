"""Proves one release of the image on the machine: its shared objects first, then the real thing."""

from __future__ import annotations

import json
import os
import time
from typing import Any, Dict, List

from ..whisperx_common import process
from ..whisperx_env import gate
from ..whisperx_problem import Problem
from ..whisperx_release import records
from ..whisperx_release.model import Release
from ..whisperx_release.state import RECORD
from .enact import layout
from .records import Image, Profile

__all__ = ["prove"]

# Three levels, and a hang doubles one of them.
_LEVELS = 4


def prove(image: Image, profile: Profile, level: str, timeout: float) -> Dict[str, Any]:
    """Return the report of the proof: ok, findings, warnings, seconds, level, device.

    ``timeout``: seconds each level may take. Raises nothing that the release is to blame for.
    """
    began = time.monotonic()
    report: Dict[str, Any] = {"ok": False, "findings": [], "level": level, "device": profile.device}
    path = layout(image).release(profile.release)
    release = Release(profile.release, path, records.release(os.path.join(path, RECORD)))
    if not release.complete:
        report["findings"] = ["release {} is not on this image".format(profile.release)]
    elif not os.access(os.path.join(path, "bin", "python"), os.X_OK):
        report["findings"] = ["its Python interpreter ({}) is gone".format(release.value("python_path"))]
    else:
        report["findings"] = _objects(release) or []
        if not report["findings"]:
            report = _run(path, profile.device, level, timeout)
    report["seconds"] = round(time.monotonic() - began, 3)
    return report


def _objects(release: Release) -> List[str]:
    """Return which shared objects the loader here would not take; cheap, and names the cause."""
    try:
        gate.check(release.site_packages, release.value("needs", {}))
    except Problem as problem:
        return ["{}; wanted: {}".format(problem.found, problem.wanted)]
    return []


def _run(path: str, device: str, level: str, timeout: float) -> Dict[str, Any]:
    """Run the probe that lies in the release, through the launcher that users get."""
    probe = os.path.join(path, "verify", "probe.py")
    command = [os.path.join(path, "launch", "python"), probe, "--level", level, "--device", device]
    command += ["--timeout", "{:g}".format(timeout), "--json"]
    environment = {"PATH": process.PATH, "LC_ALL": "C.UTF-8", "HOME": "/root"}
    said = ""
    try:
        _status, said = process.run(command, environment, timeout * _LEVELS)
        report = json.loads(said[said.index("{") :])
    except OSError as error:
        report = {"ok": False, "findings": ["the verification cannot be started: {}".format(error)]}
    except ValueError:
        last = (said.strip().splitlines() or ["nothing"])[-1]
        report = {"ok": False, "findings": ["the verification itself failed: {}".format(last)]}
    return dict(report, level=level, device=device)
