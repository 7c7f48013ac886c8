"""The layout of described facts: the argument specification of whisperx_host_assume, asked strictly.

Ansible's own validation converts (a list becomes a text, a text a list) and ends the host before the decision
can refuse it, so it is not used for facts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..whisperx_catalogue.fields import shown

__all__ = ["complaints"]


def complaints(specification: Mapping[str, Any], name: str, value: Any) -> list[str]:
    """Return what is wrong with ``value``, the facts that the variable ``name`` describes, as sentences.

    ``specification``: the variable's entry in the argument specification. Null is absent, wherever it stands.
    """
    return [] if value is None else list(_wrong(specification, name, value))


def _wrong(specification: Mapping[str, Any], place: str, value: Any) -> Iterator[str]:
    kind = specification.get("type", "str")
    wanted = _mistyped(kind, value)
    if wanted:
        yield f"{place} is {shown(value)}, not {wanted}"
    elif "choices" in specification and value not in specification["choices"]:
        yield f"{place} is {shown(value)}, not one of {', '.join(map(str, specification['choices']))}"
    elif kind == "dict" and specification.get("options"):
        yield from _entries(specification["options"], place, value)
    elif kind == "list":
        inner = {"type": specification.get("elements", "raw"), "options": specification.get("options")}
        for number, item in enumerate(value):
            yield from _wrong(inner, f"{place}[{number}]", item)


def _entries(options: Mapping[str, Any], place: str, value: Mapping[Any, Any]) -> Iterator[str]:
    unknown = [shown(name) for name in value if name not in options]
    if unknown:
        yield f"{place} has {', '.join(unknown)}, which is none of {', '.join(sorted(options))}"
    for name, entry in options.items():
        if value.get(name) is not None:
            yield from _wrong(entry, f"{place}.{name}", value[name])
        elif entry.get("required"):
            yield f"{place} is missing its {name}"


def _mistyped(kind: str, value: Any) -> str:
    """Return what is wanted instead of ``value``, "" where it is of the kind."""
    number = isinstance(value, int) and not isinstance(value, bool)
    if kind in ("str", "path"):
        # 13 is read as "13"; 2.40 would be read as "2.4".
        return "" if isinstance(value, str) or number else "a text in quotes"
    if kind == "int":
        return "" if number and value >= 0 else "a whole number"
    if kind == "bool":
        return "" if isinstance(value, bool) else "true or false"
    if kind == "list":
        return "" if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else "a list"
    if kind == "dict":
        return "" if isinstance(value, Mapping) else "a mapping"
    return ""
