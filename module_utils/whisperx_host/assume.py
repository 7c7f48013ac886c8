"""What the user says of a host, laid over what was read."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Tuple

from ..whisperx_problem import Problem
from .model import SCHEMA, Host

__all__ = ["overlay"]

_NULLABLE = ("machine", "container", "tegra", "secure_boot", "selinux")


def _kinds() -> Dict[str, Tuple[type, ...]]:
    """Return the JSON types of every fact, taken from an empty host's facts."""
    kinds: Dict[str, Tuple[type, ...]] = {}
    for key, value in Host().to_dict().items():
        kinds[key] = {
            "machine": (str,),
            "container": (str,),
            "selinux": (str,),
            "tegra": (dict,),
            "secure_boot": (bool,),
        }.get(key, (type(value),))
    return kinds


def overlay(facts: Mapping[str, Any], assume: Mapping[str, Any]) -> Dict[str, Any]:
    """Return ``facts`` with every key of ``assume`` in place of what was read; its source becomes "assumed".

    A key replaces the whole value: who assumes a driver describes all of it. None means absent. Raises
    Problem on a key that is no fact, on a value of the wrong type and on another schema than ours.
    """
    kinds = _kinds()
    result = dict(facts)
    sources = dict(facts.get("sources", {}))
    for key, value in assume.items():
        if key not in kinds:
            raise Problem(
                "host.assume-key",
                f"{key!r} is not a fact",
                "assume",
                "one of {}".format(", ".join(sorted(kinds))),
                "Correct the name or remove the key.",
            )
        if value is None and key not in _NULLABLE:
            value = Host().to_dict()[key]
        if not (isinstance(value, kinds[key]) or (value is None and key in _NULLABLE)):
            raise _wrong_value(key, value, " or ".join(kind.__name__ for kind in kinds[key]))
        if key == "schema" and value != SCHEMA:
            raise _wrong_value(key, value, str(SCHEMA))
        result[key] = value
        for known in [name for name in sources if name.split(".")[0] == key]:
            del sources[known]
        sources[key] = "assumed"
    result["sources"] = sources
    return result


def _wrong_value(key: str, value: Any, wanted: str) -> Problem:
    return Problem(
        "host.assume-value",
        f"{key} is {value!r}",
        "assume",
        wanted,
        "See the facts' description in the documentation of the module whisperx_host_facts.",
    )
