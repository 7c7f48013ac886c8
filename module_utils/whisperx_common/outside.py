"""Words that a host supplied, on their way into something that Ansible reads: marked, or left out.

Ansible takes every string of an inventory for a template. One that is written as
``{"__ansible_unsafe": TEXT}`` is taken for what it is, by every ansible-core from 2.16 on, in a JSON
inventory and in what an inventory script prints. Names of fields and hosts cannot be marked, so those are
checked.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Tuple

__all__ = ["DEEPEST", "described", "inventory", "is_field", "is_host", "marked"]

# As deep as facts go is 4; what is deeper is no fact, and could exhaust whoever reads it.
DEEPEST = 20

# Fields of facts are words, and paths behind one (`sources`). None of Ansible's own marks (__ansible_unsafe,
# __ansible_vault, __ansible_type) is one, and nothing that begins a template.
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_./+~@:-]{0,255}", re.ASCII)
# Neither braces and percent signs together, which begin a template, nor brackets, which Ansible expands.
_HOST = re.compile(r"[\w./:@%+=~-]{1,255}")


def is_field(name: object) -> bool:
    """Return whether this can be the name of a field of facts."""
    return isinstance(name, str) and _FIELD.fullmatch(name) is not None


def is_host(name: object) -> bool:
    """Return whether this can be the name of a host in an inventory that is written for Ansible."""
    return isinstance(name, str) and _HOST.fullmatch(name) is not None


def marked(value: Any) -> Any:
    """Return the value with every string marked as no template. Its keys have to be fields already."""
    if isinstance(value, str):
        return {"__ansible_unsafe": value}
    if isinstance(value, dict):
        return {key: marked(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [marked(inner) for inner in value]
    return value


def described(name: str, facts: Any) -> Tuple[Dict[str, Any], List[str]]:
    """Return the variables of a host that has these facts and is never contacted, and what was left out.

    Every string of the facts is marked; each entry of what was left out is a sentence for people.
    """
    lost: List[str] = []
    clean = _clean(facts, "", lost, DEEPEST) if isinstance(facts, dict) else {}
    if not isinstance(facts, dict):
        lost.append("its facts, which are no mapping")
    told = ["{}: left out {}".format(_shown(name), part) for part in lost]
    return {"whisperx_host_source": "assume", "whisperx_host_assume": marked(clean)}, told


def inventory(hosts: Mapping[str, Any]) -> Tuple[Dict[str, Dict[str, Any]], List[str]]:
    """Return the variables of each of ``hosts`` (name to facts) as ``described``, and what was left out."""
    known: Dict[str, Dict[str, Any]] = {}
    left_out: List[str] = []
    for name, facts in hosts.items():
        if not is_host(name):
            left_out.append("left out the host {}: no name for an inventory".format(_shown(name)))
            continue
        known[name], told = described(name, facts)
        left_out += told
    return known, left_out


def _clean(value: Any, where: str, lost: List[str], depth: int) -> Any:
    """Return the value without fields that are none, noted in ``lost``."""
    if depth < 0 and isinstance(value, (dict, list, tuple)):
        lost.append("what is too deep in {}".format(where or "its facts"))
        return None
    if isinstance(value, dict):
        kept = {}
        for key, inner in value.items():
            if is_field(key):
                kept[key] = _clean(inner, "{}.{}".format(where, key) if where else key, lost, depth - 1)
            else:
                place = " in {}".format(where) if where else ""
                lost.append("the field {}{}: no name of a fact".format(_shown(key), place))
        return kept
    if isinstance(value, (list, tuple)):
        return [_clean(inner, where, lost, depth - 1) for inner in value]
    return value if value is None or isinstance(value, (str, bool, int, float)) else str(value)


def _shown(name: object) -> str:
    """Return a name for people: short, and without what steers a terminal."""
    text = ascii(name)
    return text if len(text) <= 80 else text[:77] + "..."
