"""From what Ansible kept of every host to one plain record of the run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ..whisperx_common.shape import ANY, fitted
from .groups import alike, classes

__all__ = ["SCHEMA", "STATES", "UNWELL", "WELL", "render_json", "report"]

SCHEMA = 1

# State to what it says about a host, worst first: the order of the page.
STATES = {
    "failed": "A step failed; what ran before still runs",
    "unreachable": "Did not answer; nothing is known",
    "refused": "Nothing that was asked for runs here; nothing was touched",
    "broken": "What is installed does not fit the host any more",
    "breaking": "Works now and would not after the change that was asked about",
    "held": "Left alone, because another host of its class failed or the budget was spent",
    "planned": "Has a plan; nothing was done in this run",
    "absent": "Has no environment, as was asked for or found",
    "working": "Proved by running it",
}

# A run that is taken up again begins with these.
UNWELL = ("failed", "unreachable", "refused", "broken", "held")
# Nothing is amiss with these.
WELL = ("planned", "absent", "working")

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
        **dict.fromkeys(("skipped", "unreachable", "failed"), False),
        **dict.fromkeys(("msg", "module_stderr", "rule", "release"), ""),
        "actions": [""],
        "summary": [""],
        "diff": {"before": "", "after": ""},
        "timings": {ANY: 0.0},
        "bytes_brought": 0,
        "record": {"versions": {ANY: ""}, "class": "", "device": ""},
    },
    "audit": {
        "report": {
            "state": "",
            "findings": [{"file": "", "found": ""}],
            "changes": [_SENTENCE],
            "breaks": [_SENTENCE],
        }
    },
    "lost": {"state": "", "rule": "", "message": ""},
    "unread": "",
    "stderr": "",
}

_MAIN = ("whisperx", "faster-whisper", "ctranslate2", "torch")


def report(
    names: Sequence[str], known: Mapping[str, Mapping[str, Any]], run: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the record of a run over the hosts ``names``.

    ``known``: part to host name to what is known of it, and any may lack: ``facts`` (whisperx_host), ``plan``
    (its record of the plan), ``result`` (of whisperx_env, whisperx_container), ``audit`` (of whisperx_audit),
    ``held`` (why it was left alone), ``lost`` (``state`` and ``message`` of one that did not come through),
    ``unread`` (why its facts could not be read), ``stderr`` (what came instead), ``gone`` (whether that
    was because it did not answer), ``stopped`` (whether another task ended the run for it).
    ``problem`` is class to why it has no lock.
    ``run``: what is told of the run itself (``at``, ``check``, ``playbook``, ``notes``), passed on.
    """
    rows = {name: _host(_of(name, known), bool(run.get("check"))) for name in sorted(names)}
    found = Counter(row["state"] for row in rows.values())
    return {
        "schema": SCHEMA,
        "run": dict(run),
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
    versions = record.get("versions") or {}
    reasons = [_reason(entry) for entry in plan.get("reasons") or []]
    return {
        "state": state,
        "message": message,
        "rule": _rule(state, result, reasons),
        "class": plan.get("class") or record.get("class") or "",
        "runtime": plan.get("runtime") or "",
        "device": record.get("device") or plan.get("device") or "",
        "facts": _facts(known.get("facts") or {}),
        "versions": {name: versions[name] for name in _MAIN if name in versions},
        "packages": len(versions),
        "release": result.get("release") or "",
        "planned": {name: version for name, version in (plan.get("pins") or {}).items() if name in _MAIN},
        "reasons": reasons,
        "remedies": [str(remedy.get("sentence", "")) for remedy in plan.get("remedies") or []],
        "driver": {key: value for key, value in (plan.get("driver_advice") or {}).items() if value},
        "notes": list(plan.get("notes") or []),
        "actions": [] if state in UNWELL else list(result.get("actions") or []),
        "diff": _difference(result.get("diff") or {}),
        "seconds": {name: round(value, 2) for name, value in (result.get("timings") or {}).items()},
        "bytes": int(result.get("bytes_brought") or 0),
    }


def _state(known: Mapping[str, Any], check: bool) -> tuple[str, str]:
    """Return a host's state and the sentence that explains it, "" where the state says it all."""
    plan, result, lost = (known.get(part) or {} for part in ("plan", "result", "lost"))
    audit = (known.get("audit") or {}).get("report") or {}
    if known.get("held"):
        return "held", str(known["held"])
    if lost:
        # Of a host that did not answer, the connection's own words say more.
        own = known.get("unread") if known.get("gone") else ""
        return str(lost["state"]), str(own or lost["message"])
    if result.get("unreachable"):
        return "unreachable", str(result.get("msg", ""))
    if result.get("failed"):
        return "failed", _cause(result.get("msg"), result.get("module_stderr"))
    if known.get("unread"):
        return "unreachable" if known.get("gone") else "failed", _cause(known["unread"], known.get("stderr"))
    if audit:
        return _audited(audit)
    if plan.get("verdict") == "refused":
        return "refused", _first(plan)
    if known.get("problem"):
        return "refused", str(known["problem"])
    if known.get("stopped") and not result:
        return "failed", "stopped, nothing was touched; its message above says why"
    if not (known.get("facts") or plan or result):
        return "unreachable", "no facts of this host were read in this run"
    if not result or (check and result.get("actions")):
        return "planned", ""
    return ("working" if result.get("release") else "absent"), ""


def _cause(said: object, stderr: object) -> str:
    """Return why a module gave no result.

    Of one that could not begin, Ansible just says that it got no JSON; why is the last line of what came.
    """
    last = str(stderr or "").strip().rpartition("\n")[2]
    return str(said or "").strip() + (f" ({last})" if last else "")


def _audited(audit: Mapping[str, Any]) -> tuple[str, str]:
    """Return the same of a host that was compared with what its environment was proved on."""
    if audit.get("state") == "broken":
        found = [f"{one.get('file')} {one.get('found')}" for one in audit.get("findings") or []]
        return "broken", "; ".join(found + _sentences(audit, "changes"))
    if audit.get("breaks"):
        return "breaking", "; ".join(_sentences(audit, "breaks"))
    if audit.get("state") == "absent":
        return "absent", "nothing is installed"
    return "working", "; ".join(_sentences(audit, "changes"))


def _sentences(audit: Mapping[str, Any], part: str) -> list[str]:
    return [str(entry.get("sentence", "")) for entry in audit.get(part) or []]


def _first(plan: Mapping[str, Any]) -> str:
    reasons = plan.get("reasons") or [{}]
    return str(reasons[0].get("sentence", ""))


def _rule(state: str, result: Mapping[str, Any], reasons: Sequence[Mapping[str, str]]) -> str:
    """Return the stable id of what is wrong, "" where there is none."""
    if state == "failed":
        return str(result.get("rule") or "")
    return reasons[0]["rule"] if state == "refused" and reasons else ""


def _reason(entry: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(entry.get(key, "")) for key in ("sentence", "rule", "source")}


def _facts(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return the facts that decide, as short texts."""
    told = {
        "system": _joined(facts.get("os"), "id", "version"),
        "libc": _joined(facts.get("libc"), "family", "version"),
        "machine": facts.get("machine"),
        "kernel": (facts.get("kernel") or {}).get("release"),
        "Python": ", ".join(str(one.get("version")) for one in facts.get("pythons") or []),
        "GPU": ", ".join(_gpu(one) for one in facts.get("gpus") or []),
        "driver": _joined(facts.get("nvidia_driver"), "version", "state"),
        "engines": ", ".join(_joined(one, "name", "version") for one in facts.get("container_engines") or []),
    }
    return {name: str(text) for name, text in told.items() if text}


def _joined(part: Mapping[str, Any] | None, *keys: str) -> str:
    return " ".join(str(part[key]) for key in keys if part.get(key)) if part else ""


def _gpu(gpu: Mapping[str, Any]) -> str:
    capability = gpu.get("compute_capability")
    return f"{gpu.get('name') or gpu.get('pci_id')}" + (f" ({capability})" if capability else "")


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
