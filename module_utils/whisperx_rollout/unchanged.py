"""Which hosts stay as they are, known from their facts: a fleet of such hosts needs no further task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..whisperx_fleet.results import summarised
from ..whisperx_fleet.variables import Fleet, at
from .hosts import plans_of

__all__ = ["unchanged"]


def unchanged(
    fleet: Fleet,
    variables: Mapping[str, Any],
    assessment: Callable[[Mapping[str, Any], Any], Mapping[str, Any] | None],
    models: Callable[[str], Mapping[str, Any] | None],
) -> dict[str, dict[str, Any]]:
    """Return host to the result of whisperx_env, for each host that takes part and stays as it is.

    ``variables``: those of the task, which have plan and lock. ``assessment``: from options of whisperx_env,
    and what came with the facts, to its result. ``models``: from a host to the result of whisperx_models.
    Either gives None if the module has to be asked. A host that runs containers is not among them, nor one
    that lacks packages of the distribution.
    """
    plans, found = plans_of(variables), {}
    locks = at(variables, ("__whisperx_lock", "locks")) or {}
    for host, known in fleet.recorded("__whisperx_host_read.assessed", fleet.active).items():
        plan = plans.get(host) or {}
        lock = locks.get(plan.get("class"))
        if plan.get("verdict") != "plan" or plan.get("runtime") == "container":
            continue
        if lock is None or plan.get("system_packages"):
            continue
        options = known.get("options") if isinstance(known, Mapping) else None
        asked = {**(options if isinstance(options, Mapping) else {}), "plan": plan, "lock": lock["text"]}
        result = assessment({**asked, "assess": True, "state": "present"}, known)
        placed = models(host) if result is not None else None
        if result is not None and placed is not None and not placed.get("actions"):
            told = [*(result.get("summary") or []), *(placed.get("summary") or [])]
            found[host] = {**result, "summary": summarised({"summary": told}, host)}
    return found
