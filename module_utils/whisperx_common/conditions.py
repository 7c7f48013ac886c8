"""The words for what became of a host: its result in a run, and its condition.

A run of site.yml or rollback.yml gives every host a result. An audit, the doctor and a first boot give it a
condition. A report has both, since an audit may not reach a host and a run may find none.
"""

from __future__ import annotations

from typing import Dict

__all__ = [
    "ABSENT",
    "BREAKING",
    "BROKEN",
    "CHANGED",
    "CONDITIONS",
    "DRIFTED",
    "FAILED",
    "FIT",
    "HEALTHY",
    "HELD",
    "PLANNED",
    "REFUSED",
    "RESULTS",
    "RETRY",
    "STATES",
    "UNCHANGED",
    "UNFIT",
    "UNKNOWN",
    "UNREACHABLE",
    "VERDICTS",
    "WELL",
]

FAILED, UNREACHABLE, REFUSED, HELD = "failed", "unreachable", "refused", "held"
PLANNED, CHANGED, UNCHANGED = "planned", "changed", "unchanged"
BROKEN, BREAKING, DRIFTED = "broken", "breaking", "drifted"
UNKNOWN, ABSENT, HEALTHY = "unknown", "absent", "healthy"

# Each with the sentence that a reader sees; worst first.
RESULTS: Dict[str, str] = {
    FAILED: "A step failed; the active release still runs",
    UNREACHABLE: "Did not respond; nothing is known",
    REFUSED: "Nothing that was requested runs here; nothing was touched",
    HELD: "Not changed, because another host of its class failed or the failure budget was spent",
    PLANNED: "Has a plan; nothing was done in this run",
    CHANGED: "Changed and verified",
    UNCHANGED: "Nothing had to change",
}
CONDITIONS: Dict[str, str] = {
    BROKEN: "What is installed no longer fits the host",
    BREAKING: "Healthy now, broken after the change that was asked about",
    DRIFTED: "Works, but differs from what was verified",
    UNKNOWN: "Nothing could be run, and nothing is wrong with the files",
    ABSENT: "Has no environment: it was removed, or there never was one",
    HEALTHY: "As it was verified",
}
# Both, in the order of a report.
_ORDER = (
    *(FAILED, UNREACHABLE, REFUSED, BROKEN, BREAKING, HELD, UNKNOWN),
    *(PLANNED, DRIFTED, ABSENT, CHANGED, UNCHANGED, HEALTHY),
)
STATES: Dict[str, str] = {state: {**RESULTS, **CONDITIONS}[state] for state in _ORDER}
# A run that is repeated begins with these.
RETRY = (FAILED, UNREACHABLE, REFUSED, BROKEN, HELD)
# Nothing is wrong with these.
WELL = (PLANNED, DRIFTED, ABSENT, CHANGED, UNCHANGED, HEALTHY)

# The verdict on a machine or an environment, as scripts read it, and the condition it stands for.
FIT, UNFIT = "fit", "unfit"
VERDICTS: Dict[str, str] = {FIT: HEALTHY, UNFIT: BROKEN, UNKNOWN: UNKNOWN}
