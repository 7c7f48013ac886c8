"""From what Ansible kept of every host to one plain record of the run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ..whisperx_common import conditions
from ..whisperx_common.conditions import STATES, WELL
from ..whisperx_common.shape import ANY, fitted
from . import services
from .groups import alike, classes

__all__ = ["SCHEMA", "render_json", "report"]

SCHEMA = 2

# What hosts say of themselves is taken in this shape alone: one that says anything else ends no report.
_VERSION, _SENTENCE = {"name": "", "version": ""}, {"sentence": ""}
_SHAPES: dict[str, Any] = {
    "facts": {
        "os": {"id": "", "version": ""},
        "libc": {"family": "", "version": ""},
        "machine": "",
        "kernel": {"release": ""},
        "pythons": [_VERSION],
        "gpus": [{"name": "", "pci_id": "", "compute_capability": ""}],
        "nvidia_driver": {"version": "", "state": ""},
        "container_engines": [_VERSION],
    },
    "result": {
        **dict.fromkeys(("skipped", "unreachable", "failed", "predicted"), False),
        **dict.fromkeys(("msg", "module_stderr", "rule", "release"), ""),
        "actions": [""],
        "summary": [""],
        "diff": {"before": "", "after": ""},
        "timings": {ANY: 0.0},
        "bytes_brought": 0,
        "services": [{"name": "", "state": "", "release": "", "healthy": False, "restarted": False}],
        "record": {"id": "", "versions": {ANY: ""}, "class": "", "device": ""},
    },
    "audit": {
        "unreachable": False,
        "msg": "",
        "report": {
            "state": "",
            "findings": [{"file": "", "found": ""}],
            "changes": [_SENTENCE],
            "breaks": [_SENTENCE],
        },
    },
    "lost": {"state": "", "rule": "", "message": ""},
    "unread": "",
    "stderr": "",
}
# How the engine's step for a switch begins (whisperx_release/decide.py).
_SWITCHED = "Switched from "
_MAIN = ("whisperx", "faster-whisper", "ctranslate2", "torch")


def report(
    names: Sequence[str], known: Mapping[str, Mapping[str, Any]], run: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the record of a run over the hosts ``names``.

    ``known``: part to host name to what is known, each optional: ``facts`` (whisperx_host), ``plan`` (of
    whisperx_plan), ``result`` (of whisperx_env, whisperx_container), ``audit`` (of whisperx_audit),
    ``held`` (why it was not changed), ``lost`` (``state`` and ``message`` of one that failed in its wave),
    ``unread`` (why its facts could not be read), ``stderr`` (what was printed instead), ``gone`` (whether
    it did not respond), ``stopped`` (whether another task ended the run for it).
    ``problem`` is class to why it has no lock.
    ``run``: what is reported of the run itself (``at``, ``check``, ``playbook``, ``notes``), passed on.
    """
    rows = {name: _host(_of(name, known), bool(run.get("check"))) for name in sorted(names)}
    found = Counter(row["state"] for row in rows.values())
    plans = known.get("plan", {}).values()
    return {
        "schema": SCHEMA,
        "run": dict(run),
        "asked": sorted({name for plan in plans for name in plan.get("request") or ()}),
        "totals": {state: found[state] for state in STATES if found[state]},
        "changed": sum(bool(row["actions"]) for row in rows.values()),
        "bytes": sum(row["bytes"] for row in rows.values()),
        "classes": classes(rows, STATES),
        "problems": alike(rows, [state for state in STATES if state not in WELL]),
        "hosts": rows,
    }


def _of(name: str, known: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return every part that is known of one host."""
    parts = {part: values.get(name) for part, values in known.items() if part != "problem"}
    parts |= {part: fitted(parts[part], like) for part, like in _SHAPES.items() if parts.get(part)}
    identity = (parts.get("plan") or {}).get("class")
    result = parts.get("result") or {}
    return {
        **parts,
        "result": {} if result.get("skipped") else result,
        "problem": known.get("problem", {}).get(identity or ""),
    }


def render_json(record: Mapping[str, Any]) -> str:
    """Return the record as text; the same record gives the same bytes."""
    return json.dumps(record, indent=1, sort_keys=True) + "\n"


def _host(known: Mapping[str, Any], check: bool) -> dict[str, Any]:
    plan, result = known.get("plan") or {}, known.get("result") or {}
    record = result.get("record") or {}
    state, message = _state(known, check)
    # What was only predicted did not happen, and a real run speaks of what did.
    pending = bool(result.get("predicted")) and not check
    done: Mapping[str, Any] = {"release": record.get("id")} if pending and result.get("actions") else result
    versions = record.get("versions") or {}
    shown = (*_MAIN, *(plan.get("extras") or {}))
    reasons = [_reason(entry) for entry in plan.get("reasons") or []]
    return {
        "state": state,
        "message": message,
        "rule": _rule(state, known, reasons),
        "class": plan.get("class") or record.get("class") or "",
        "runtime": plan.get("runtime") or "",
        "device": record.get("device") or plan.get("device") or "",
        "facts": _facts(known.get("facts") or {}),
        "versions": {name: versions[name] for name in shown if name in versions},
        "packages": len(versions),
        "release": done.get("release") or "",
        "moved_from": "" if check or pending else _moved_from(result.get("actions") or []),
        "planned": {name: version for name, version in (plan.get("pins") or {}).items() if name in shown},
        "reasons": reasons,
        "remedies": [str(remedy.get("sentence", "")) for remedy in plan.get("remedies") or []],
        "driver": {key: value for key, value in (plan.get("driver_advice") or {}).items() if value},
        "notes": list(plan.get("notes") or []),
        "actions": [] if state in conditions.RETRY else list(done.get("actions") or []),
        "diff": _difference(done.get("diff") or {}),
        "seconds": {name: round(value, 2) for name, value in (done.get("timings") or {}).items()},
        "bytes": int(done.get("bytes_brought") or 0),
        "services": services.rows(result.get("services") or [], pending or state in conditions.RETRY),
    }


def _state(known: Mapping[str, Any], check: bool) -> tuple[str, str]:
    """Return a host's state and the sentence that explains it, "" where the state says it all."""
    plan, result, lost = (known.get(part) or {} for part in ("plan", "result", "lost"))
    audited = known.get("audit") or {}
    audit = audited.get("report") or {}
    if audit:
        return _audited(audit)  # also where a broken host fails the run
    if audited.get("unreachable"):
        return conditions.UNREACHABLE, str(audited.get("msg", ""))
    if known.get("held"):
        return conditions.HELD, str(known["held"])
    if lost:
        # The connection's own message says more about a host that did not respond.
        own = known.get("unread") if known.get("gone") else ""
        return str(lost["state"]), str(own or lost["message"])
    if result.get("unreachable"):
        return conditions.UNREACHABLE, str(result.get("msg", ""))
    if result.get("failed"):
        return conditions.FAILED, _cause(result.get("msg"), result.get("module_stderr"))
    if known.get("unread"):
        state = conditions.UNREACHABLE if known.get("gone") else conditions.FAILED
        return state, _cause(known["unread"], known.get("stderr"))
    if plan.get("verdict") == "refused":
        return conditions.REFUSED, _first(plan)
    if known.get("problem"):
        return conditions.REFUSED, str(known["problem"])
    if known.get("stopped") and not result:
        return conditions.FAILED, "stopped, nothing was touched; see its message above"
    if not (known.get("facts") or plan or result):
        return conditions.UNREACHABLE, "no facts of this host were read in this run"
    if not result or (check and result.get("actions")):
        return conditions.PLANNED, ""
    if result.get("predicted") and result.get("actions"):
        return conditions.HELD, "the run ended before its turn"
    if not result.get("release"):
        return conditions.ABSENT, ""
    return (conditions.CHANGED if result.get("actions") else conditions.UNCHANGED), ""


def _cause(message: object, stderr: object) -> str:
    """Return why a module gave no result.

    For one that could not start, Ansible only reports that it got no JSON; the last line on stderr says why.
    """
    last = str(stderr or "").strip().rpartition("\n")[2]
    return str(message or "").strip() + (f" ({last})" if last else "")


def _audited(audit: Mapping[str, Any]) -> tuple[str, str]:
    """Return the same of a host that was compared with what its environment was proved on."""
    if audit.get("state") == conditions.BROKEN:
        found = [f"{one.get('file')} {one.get('found')}" for one in audit.get("findings") or []]
        return conditions.BROKEN, "; ".join(found + _sentences(audit, "changes"))
    if audit.get("breaks"):
        return conditions.BREAKING, "; ".join(_sentences(audit, "breaks"))
    if audit.get("state") == conditions.ABSENT:
        return conditions.ABSENT, "nothing is installed"
    changes = _sentences(audit, "changes")
    return (conditions.DRIFTED if changes else conditions.HEALTHY), "; ".join(changes)


def _sentences(audit: Mapping[str, Any], part: str) -> list[str]:
    return [str(entry.get("sentence", "")) for entry in audit.get(part) or []]


def _first(plan: Mapping[str, Any]) -> str:
    reasons = plan.get("reasons") or [{}]
    return str(reasons[0].get("sentence", ""))


def _rule(state: str, known: Mapping[str, Any], reasons: Sequence[Mapping[str, str]]) -> str:
    """Return the stable id of what is wrong, "" where there is none."""
    if state == conditions.FAILED:
        said = [(known.get(part) or {}).get("rule") for part in ("result", "lost")]
        return next((str(rule) for rule in said if rule), "")
    return reasons[0]["rule"] if state == conditions.REFUSED and reasons else ""


def _reason(entry: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(entry.get(key, "")) for key in ("sentence", "rule", "source")}


def _facts(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return the facts that decide, as short texts."""
    texts = {
        "system": _joined(facts.get("os"), "id", "version"),
        "libc": _joined(facts.get("libc"), "family", "version"),
        "machine": facts.get("machine"),
        "kernel": (facts.get("kernel") or {}).get("release"),
        "Python": ", ".join(str(one.get("version")) for one in facts.get("pythons") or []),
        "GPU": ", ".join(_gpu(one) for one in facts.get("gpus") or []),
        "driver": _joined(facts.get("nvidia_driver"), "version", "state"),
        "engines": ", ".join(_joined(one, "name", "version") for one in facts.get("container_engines") or []),
    }
    return {name: str(text) for name, text in texts.items() if text}


def _joined(part: Mapping[str, Any] | None, *keys: str) -> str:
    return " ".join(str(part[key]) for key in keys if part.get(key)) if part else ""


def _gpu(gpu: Mapping[str, Any]) -> str:
    capability = gpu.get("compute_capability")
    return f"{gpu.get('name') or gpu.get('pci_id')}" + (f" ({capability})" if capability else "")


def _moved_from(actions: Sequence[str]) -> str:
    """Return the release that a switch left, "" if there was no switch or no release before."""
    found = [
        action[len(_SWITCHED) :].partition(" to ")[0] for action in actions if action.startswith(_SWITCHED)
    ]
    return found[0] if found and found[0] != "nothing" else ""


def _difference(diff: Mapping[str, Any]) -> list[str]:
    """Return the versions that changed, one a line: `torch 2.7.1 -> 2.8.0`."""
    before, after = (_versions(str(diff.get(side, ""))) for side in ("before", "after"))
    lines = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old != new:
            lines.append(f"{name} {old or 'new:'} {'-> ' if old else ''}{new or 'removed'}")
    return lines


def _versions(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if "==" in line]
    return dict(line.split("==", 1) for line in lines)
