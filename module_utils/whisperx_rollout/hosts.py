"""What the hosts of a play have in their variables, as the roll-out needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..whisperx_fleet.variables import Fleet, at

__all__ = ["RESULTS", "failure", "order", "pending", "plans_of", "turn_options"]

# What the modules of both runtimes leave, of which a host has the result of one, and that of the models.
RESULTS = ("__whisperx_venv_result", "__whisperx_container_result", "__whisperx_models_result")
_FAILED = "__whisperx_rollout_failed"


def plans_of(variables: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Return host to its plan, none where nothing was decided."""
    return at(variables, ("__whisperx_plan", "hosts")) or {}


def order(fleet: Fleet, variables: Mapping[str, Any]) -> dict[str, str]:
    """Return host to class of every host of the play that has something to change.

    ``variables``: those of the task, which have the plan.
    """
    found = [fleet.recorded(f"{result}.actions", fleet.active) for result in RESULTS]
    ffmpeg = fleet.setting("whisperx_venv_ffmpeg", True)
    return pending(fleet.active, plans_of(variables), found, ffmpeg)


def pending(
    hosts: Sequence[str],
    plans: Mapping[str, Mapping[str, Any]],
    actions: Sequence[Mapping[str, Any]],
    ffmpeg: Mapping[str, Any],
) -> dict[str, str]:
    """Return host to class of the ``hosts`` that change, in their order.

    ``plans``: host to plan. Without any, when environments are removed, all hosts are of one class, "".
    ``actions``: for each runtime, host to what it has to do there. ``ffmpeg``: host to whether packages of
    the distribution that its plan names are installed; where they are, a host that lacks one changes as well.
    """
    changing = {host for found in actions for host, what in found.items() if what}
    changing |= {
        host for host in hosts if plans.get(host, {}).get("system_packages") and truth(ffmpeg.get(host, True))
    }
    known: Mapping[str, Mapping[str, Any]] = plans or {host: {} for host in hosts}
    return {host: str(known[host].get("class", "")) for host in hosts if host in changing and host in known}


def truth(value: Any) -> bool:
    """Return whether a variable is true; with -e it is a text."""
    return str(value).strip().lower() in ("true", "yes", "on", "1", "t", "y")


def turn_options(fleet: Fleet) -> dict[str, Any]:
    """Return what became of the hosts so far: the module's options pending, proved, failed, unreachable."""
    # A playbook may import site.yml several times. Hosts of an earlier one are in the waves as well, and know
    # the order of that one only: they had their turn.
    ordered: dict[str, str] = {}
    orders = {id(one): one for one in fleet.recorded("__whisperx_rollout.pending").values()}
    for one in orders.values():
        ordered.update(one)
    failed = {host: one for host, one in fleet.recorded(_FAILED).items() if one.get("state")}
    gone = [set(fleet.recorded(f"{result}.unreachable")) for result in RESULTS]
    return {
        "pending": ordered,
        "proved": [host for host, one in fleet.recorded("__whisperx_rollout_proved").items() if one],
        "failed": {host: {"rule": one["rule"], "message": one["message"]} for host, one in failed.items()},
        "unreachable": [host for host in fleet.all if any(host in those for those in gone)],
    }


def failure(
    host: str, result: Mapping[str, Any], variables: Mapping[str, Any], planned: bool = True
) -> dict[str, str]:
    """Return how a host ended that a task failed for: ``state``, ``rule`` and ``message``.

    ``result``: that task's. ``variables``: those of the host, which have plan and lock. ``planned``: whether
    the task may have failed because the plan is a refusal.
    """
    if not planned:
        return {"state": "failed", "rule": str(result.get("rule") or ""), "message": _cause(result)}
    decided = at(variables, ("__whisperx_plan", "hosts")) is not None
    plan = plans_of(variables).get(host) or {}
    refused = plan.get("verdict") == "refused"
    problems = at(variables, ("__whisperx_lock", "problems")) or {}
    if decided and not plan:
        state = "unreachable"  # only a host that responded has a plan
    elif refused or plan.get("class", "") in problems:
        state = "refused"  # what cannot be locked cannot be carried out
    else:
        state = "failed"
    reasons = plan.get("reasons") or [{}]
    message = str(reasons[0].get("sentence", "")) if refused else _cause(result)
    return {"state": state, "rule": str(result.get("rule") or ""), "message": message}


def _cause(result: Mapping[str, Any]) -> str:
    """Return what a task said. Of a module that could not begin, its last line says why."""
    text = str(result.get("msg") or "a task failed, see above").strip()
    last = str(result.get("module_stderr") or "").strip().rpartition("\n")[2]
    return f"{text} ({last})" if last else text
