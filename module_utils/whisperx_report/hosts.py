"""What a run left in the variables of the play's hosts, by the part of the report that it is for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..whisperx_common.shape import ANY, fitted
from ..whisperx_fleet.variables import Fleet, at

__all__ = ["begun", "held", "known", "notes"]

# Part of the report to where a task left it for each host. Of the results of both runtimes a host has one.
_PARTS = {
    "facts": "ansible_facts.whisperx_host",
    "lost": "__whisperx_rollout_failed",
    "unread": "__whisperx_host_read.msg",
    "stderr": "__whisperx_host_read.module_stderr",
    "gone": "__whisperx_host_read.unreachable",
    "audit": "__whisperx_audit_result",
}
_VENV, _CONTAINER = "__whisperx_venv_result", "__whisperx_container_result"
_MODELS = "__whisperx_models_result"
_WAVE = "whisperx_wave_"
# The parts of a result that are joined, in their shape: hosts say them.
_JOINED: dict[str, Any] = {
    "actions": [""],
    "summary": [""],
    "bytes_brought": 0,
    "timings": {ANY: 0.0},
    "diff": {"before": "", "after": ""},
}


def known(fleet: Fleet, variables: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the module's option ``known``: part to host to what is known of it.

    ``variables``: those of the task, which have plan, lock and groups. A host that a task did not reach lacks
    its part.
    """
    problems = at(variables, ("__whisperx_lock", "problems")) or {}
    container = {host: one for host, one in fleet.recorded(_CONTAINER).items() if one}
    active = set(fleet.active)
    parts = {part: fleet.recorded(path) for part, path in _PARTS.items()}
    # A task that was skipped registers too.
    invalid = at(variables, ("__whisperx_preflight", "invalid")) or {}
    parts["lost"] = {
        **{host: one for host, one in parts["lost"].items() if one.get("state")},
        **{host: {"state": "failed", "message": sentence} for host, sentence in invalid.items()},
    }
    return {
        **parts,
        "plan": dict(at(variables, ("__whisperx_plan", "hosts")) or {}),
        "problem": {identity: one["sentence"] for identity, one in problems.items()},
        "result": settled(variables)
        or with_models(results(fleet.recorded(_VENV), container), fleet.recorded(_MODELS)),
        "held": held(fleet, variables.get("groups") or {}),
        "stopped": {host: True for host in fleet.all if host not in active},
    }


def begun(fleet: Fleet) -> list[str]:
    """Return the hosts that a report is for: of a play with ``serial`` those whose batch has begun, else all.

    Those that failed or do not respond are in no batch any more, so all up to the last one known are meant.
    """
    if set(fleet.batch) == set(fleet.active):
        return fleet.all
    read = fleet.recorded("__whisperx_host_read")
    known_ones = [number for number, host in enumerate(fleet.all) if host in read or host in fleet.batch]
    return fleet.all[: max(known_ones, default=-1) + 1]


def settled(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return host to result where the whole play ended because every host stays as it is, else {}."""
    unchanged = at(variables, ("__whisperx_unchanged",)) or {}
    return dict(unchanged["hosts"]) if unchanged.get("all") else {}


def results(venv: Mapping[str, Any], container: Mapping[str, Any]) -> dict[str, Any]:
    """Return host to the result of the runtime that it has; the other's may say that it was skipped."""
    chosen = {**venv, **{host: one for host, one in container.items() if not one.get("skipped")}}
    return {**container, **chosen}


def with_models(found: Mapping[str, Any], models: Mapping[str, Any]) -> dict[str, Any]:
    """Return host to result, with what became of its models; it counts as the same run of the host."""
    joined = dict(found)
    for host, one in models.items():
        if not isinstance(one, Mapping) or one.get("skipped"):
            continue
        own = joined.get(host)
        if not isinstance(own, Mapping) or own.get("skipped"):
            if one.get("unreachable") or one.get("failed"):
                joined[host] = one
            continue
        mine, other = fitted(dict(own), _JOINED), fitted(dict(one), _JOINED)
        joined[host] = {
            **mine,
            "actions": [*mine.get("actions", []), *other.get("actions", [])],
            "summary": [*mine.get("summary", []), *other.get("summary", [])],
            "bytes_brought": mine.get("bytes_brought", 0) + other.get("bytes_brought", 0),
            "timings": {**mine.get("timings", {}), **other.get("timings", {})},
            "diff": {
                side: (mine.get("diff") or {}).get(side, "") + (other.get("diff") or {}).get(side, "")
                for side in ("before", "after")
            },
        }
    return joined


def held(fleet: Fleet, groups: Mapping[str, Any]) -> dict[str, str]:
    """Return host to why it was left alone. The last wave knows of all of them."""
    waves = sorted(name for name in groups if str(name).startswith(_WAVE))
    hosts = groups[waves[-1]] if waves else []
    found = fleet.recorded("__whisperx_rollout_now.held", list(hosts)[:1])
    return next(iter(found.values()), {})


def notes(variables: Mapping[str, Any]) -> list[str]:
    """Return what the locks had to settle for, such as a larger build where an index could not be reached."""
    locks = at(variables, ("__whisperx_lock", "locks")) or {}
    found = [note for lock in locks.values() for note in lock.get("notes") or []]
    return list(dict.fromkeys([*found, *(at(variables, ("__whisperx_models", "notes")) or [])]))
