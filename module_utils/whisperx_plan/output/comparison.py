"""What differs between an earlier plan, as it was written to whisperx_plan_output, and this one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...whisperx_catalogue.fields import Fields
from ...whisperx_common.wording import named, printable
from ...whisperx_problem import Problem
from ..decide import Decision

__all__ = ["change_lines", "changes", "read_plan"]

_RULE = "plan.compare"
_STEP = "Name a file that an earlier run wrote to whisperx_plan_output"
_VERDICTS = ("plan", "refused")
_LARGEST = 1 << 30
_NAMED = 20

Hosts = dict[str, dict[str, Any]]


def read_plan(path: str) -> Hosts:
    """Return of every host of an earlier plan what is compared: verdict, class, pins, reasons.

    Raises Problem "plan.compare" for a file that cannot be read or is no such plan; never anything else.
    """
    try:
        file = Path(path)
        if file.stat().st_size > _LARGEST:
            raise Problem(_RULE, "more than 1 GiB", path, "the JSON of an earlier plan", _STEP)
        data = json.loads(file.read_bytes())
    except OSError as error:
        found = error.strerror or str(error)
        raise Problem(_RULE, found, path, "a file that can be read", _STEP) from None
    except (ValueError, RecursionError):
        raise Problem(_RULE, "no JSON", path, "the JSON of an earlier plan", _STEP) from None
    top = Fields(data, _RULE, path, _STEP)
    if top.whole("schema") != 1:
        raise top.problem("schema", top.data.get("schema"), "1")
    hosts = top.needed("hosts", top.child("hosts"))
    return {name: _host(hosts.needed(name, hosts.child(name))) for name in hosts.data}


def _host(row: Fields) -> dict[str, Any]:
    verdict = row.needed("verdict", row.choice("verdict", _VERDICTS))
    pins = row.child("pins")
    texts = {name: pins.text(name) for name in pins.data} if pins else {}
    reasons = row.children("reasons")
    sentences = [entry.text("sentence") or "" for entry in reasons]
    identity = row.text("class")
    if verdict == "plan":
        row.needed("class", identity)
    return {
        "verdict": verdict,
        "class": identity,
        "device": row.text("device"),
        "pins": texts,
        "reason": sentences[0] if sentences else "",
        "said": frozenset((entry.text("rule"), entry.text("subject")) for entry in reasons),
    }


def changes(before: Mapping[str, Mapping[str, Any]], decision: Decision) -> dict[str, Any]:
    """Return who breaks, is cured, moves to another class, changes versions, is new or gone; names sorted.

    A host that moves to another class and changes versions is in both lists. ``unchanged`` is a number.
    """
    now = decision.hosts
    found: dict[str, Any] = {key: [] for key in ("breaks", "cured", "class", "versions")}
    both = sorted(set(before) & set(now))
    same = 0
    for name in both:
        kinds = _changed(before[name], now[name])
        same += not kinds
        for kind, what in kinds.items():
            found[kind].append({"host": name, **what})
    found["new"] = [
        {"host": name, "verdict": now[name]["verdict"]} for name in sorted(set(now) - set(before))
    ]
    found["gone"] = [
        {"host": name, "verdict": before[name]["verdict"]} for name in sorted(set(before) - set(now))
    ]
    found["unchanged"] = same
    return found


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what changed for one host, by kind."""
    if old["verdict"] != new["verdict"]:
        if new["verdict"] == "refused":
            first = _cause(old, new)
            return {"breaks": {"from": old["class"], "rule": first["rule"], "reason": first["sentence"]}}
        return {"cured": {"to": new["class"], "reason": old["reason"]}}
    if (old["device"], new.get("device")) == ("cuda", "cpu"):
        first = _cause(old, new) if new["reasons"] else {"rule": "", "sentence": "it is planned for the CPU"}
        lost = {"from": old["class"], "to": new["class"], "rule": first["rule"], "reason": first["sentence"]}
        return {"breaks": lost}
    if (old["device"], new.get("device")) == ("cpu", "cuda"):
        return {"cured": {"to": new["class"], "reason": old["reason"]}}
    if new["verdict"] == "refused":
        return {}
    kinds: dict[str, dict[str, Any]] = {}
    if old["class"] != new["class"]:
        kinds["class"] = {"from": old["class"], "to": new["class"]}
    names = [*new["pins"], *sorted(set(old["pins"]) - set(new["pins"]))]
    moved = {
        name: [old["pins"].get(name), new["pins"].get(name)]
        for name in names
        if old["pins"].get(name) != new["pins"].get(name)
    }
    if moved:
        kinds["versions"] = {"pins": moved}
    return kinds


def _cause(old: Mapping[str, Any], new: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the first reason of a refusal that the earlier plan did not have; if all are old, the first."""
    reasons: list[Mapping[str, Any]] = new["reasons"]
    fresh = (entry for entry in reasons if (entry["rule"], entry["subject"]) not in old["said"])
    return next(fresh, reasons[0])


def change_lines(found: Mapping[str, Any]) -> list[str]:
    """Return the changes as lines for people; hosts with one change together."""
    lines = [f"compared with the earlier plan: {found['unchanged']} unchanged"]
    for kind, title in (
        ("breaks", "would break"),
        ("cured", "cured"),
        ("class", "another class"),
        ("versions", "other versions"),
        ("new", "new"),
        ("gone", "gone"),
    ):
        groups: dict[str, list[str]] = {}
        for entry in found[kind]:
            groups.setdefault(words_of(kind, entry), []).append(entry["host"])
        if groups:
            lines.append(f"  {title} ({len(found[kind])}):")
            lines += [f"    - {named(names, _NAMED)}: {what}" for what, names in groups.items()]
    return [printable(line) for line in lines]


def words_of(kind: str, entry: Mapping[str, Any]) -> str:
    """Return one change in words, without the host."""
    if kind == "breaks":
        what = f"{entry['to']} without the GPU" if entry.get("to") else "refused"
        return f"{what}, {entry['reason']} [{entry['rule'] or 'device'}]"
    if kind == "cured":
        return f"{entry['to']}; it was refused: {entry['reason']}"
    if kind == "class":
        return f"{entry['from']} -> {entry['to']}"
    if kind == "versions":
        return ", ".join(f"{name} {old or '-'} -> {new or '-'}" for name, (old, new) in entry["pins"].items())
    return str(entry["verdict"])
