"""What a host has to say, as metrics: from its records, one audit, and systemd."""

from __future__ import annotations

import calendar
import os
import time
from typing import Any, Dict, List, Mapping, Tuple

from ..whisperx_audit.model import Asked
from ..whisperx_audit.report import report
from ..whisperx_common.conditions import ABSENT, BROKEN, DRIFTED, HEALTHY
from ..whisperx_problem import Problem
from ..whisperx_release import state
from ..whisperx_release.model import LEVELS, Layout, Release, State
from ..whisperx_service import health, records
from ..whisperx_service.model import variables
from ..whisperx_service.systemd import Systemd
from ..whisperx_service.units import instances_of
from .samples import Family

__all__ = ["families"]

_STATES = (HEALTHY, DRIFTED, BROKEN, ABSENT)
_SHOWN = ("whisperx", "faster-whisper", "ctranslate2", "torch")
# Seconds that one check of a service may take here; the timer comes again.
_CHECK = 60.0

Samples = Tuple[Tuple[Mapping[str, str], float], ...]


def families(root: str, systemd: Systemd) -> List[Family]:
    """Return every metric of a root; ``systemd`` is asked for its services. Raises OSError."""
    layout = Layout(root, "", "")
    audit = _audit(root)
    try:
        found = state.read(layout)
    except Problem:
        return _condition(audit)
    release = found.get(found.current)
    told = [*_release(release), *_condition(audit), *_services(layout, systemd)]
    return [*told, *_sizes(layout, found), *_failures(audit)]


def _audit(root: str) -> Dict[str, Any]:
    """Return the audit of a root; one that cannot be made is its own failure."""
    try:
        return report(Asked(root, False, "", "", {}))
    except Problem as problem:
        return {"state": BROKEN, "changes": [{"rule": problem.rule}]}


def _release(release: Any) -> List[Family]:
    if release is None:
        return []
    labels = {
        "release": release.name,
        "device": str(release.value("device")),
        "python": str(release.value("python")),
    }
    labels["runtime"] = str(release.value("runtime", "venv"))
    for name in _SHOWN:
        if name in release.versions:
            labels[name.replace("-", "_")] = str(release.versions[name])
    level = {level: float(level == release.level) for level in LEVELS}
    return [
        Family(
            "whisperx_release_info", "gauge", "The active release; the value is always 1.", ((labels, 1.0),)
        ),
        Family(
            "whisperx_verify_level",
            "gauge",
            "How far the active release was verified: 1 for the level, 0 for the others.",
            tuple(({"level": name}, value) for name, value in level.items()),
        ),
        Family(
            "whisperx_verify_timestamp_seconds",
            "gauge",
            "Unix time at which the active release was verified.",
            _time(release),
        ),
    ]


def _time(release: Release) -> Samples:
    at = str((release.value("verify", {}) or {}).get("at") or release.value("created"))
    try:
        return (({}, float(calendar.timegm(time.strptime(at, "%Y-%m-%dT%H:%M:%SZ")))),)
    except ValueError:
        return ()


def _condition(audit: Mapping[str, Any]) -> List[Family]:
    samples = tuple(({"state": name}, float(audit.get("state") == name)) for name in _STATES)
    return [
        Family(
            "whisperx_condition",
            "gauge",
            "Condition of the environment in the last audit: 1 for the state, 0 for the others.",
            samples,
        ),
        Family(
            "whisperx_audit_timestamp_seconds",
            "gauge",
            "Unix time of the last audit.",
            (({}, float(int(time.time()))),),
        ),
    ]


def _services(layout: Layout, systemd: Systemd) -> List[Family]:
    """Return the health of each instance: its own check is run, as it is after a restart."""
    healthy: List[Tuple[Mapping[str, str], float]] = []
    restarts: List[Tuple[Mapping[str, str], float]] = []
    launch = os.path.dirname(layout.launcher("x"))
    for record in records.all_of(layout).values():
        for service in records.service_of(record) if systemd.is_there() else []:
            shown = systemd.show(record["units"])
            for unit in instances_of(service, record["units"]):
                stands = shown.get(unit.name, {})
                works = stands.get("ActiveState") == "active" and not (
                    service.health.kind and health.once(service, unit, launch, variables(service), _CHECK)
                )
                labels = {"service": service.name, "unit": unit.name}
                healthy.append((labels, float(works)))
                count = stands.get("NRestarts", "")
                restarts += [(labels, float(count))] if count.isdecimal() else []
    return [
        Family(
            "whisperx_service_healthy",
            "gauge",
            "Whether the service runs and passes its check.",
            tuple(healthy),
        ),
        Family(
            "whisperx_service_restarts",
            "gauge",
            "Restarts by systemd since the service was last started on purpose.",
            tuple(restarts),
        ),
    ]


def _sizes(layout: Layout, found: State) -> List[Family]:
    """Return the bytes that each release takes on the disk, files shared with others counted in each."""
    samples = tuple(
        ({"release": name}, float(_bytes(one.path))) for name, one in sorted(found.releases.items())
    )
    return [Family("whisperx_release_size_bytes", "gauge", "Size of a release on the host.", samples)]


def _bytes(path: str) -> int:
    total = 0
    for directory, _folders, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(directory, name)).st_size
            except OSError:
                continue
    return total


def _failures(audit: Mapping[str, Any]) -> List[Family]:
    """Return how many findings of the audit have each rule."""
    count: Dict[str, int] = {}
    for part in ("changes", "findings"):
        for one in audit.get(part) or []:
            count[str(one.get("rule"))] = count.get(str(one.get("rule")), 0) + 1
    samples = tuple(({"rule": rule}, float(number)) for rule, number in sorted(count.items()))
    return [Family("whisperx_failures", "gauge", "Findings of the last audit by rule.", samples)]
