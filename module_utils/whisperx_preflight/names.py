"""The names of public variables: which there are, and which nobody defines."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from ..whisperx_libraries import load_yaml
from ..whisperx_problem import Problem

__all__ = ["PREFIX", "defined", "refuse_strangers", "refuse_unknown", "specifications"]

PREFIX = "whisperx_"
# How like ours the first word of a name has to be to be taken for it.
_ALIKE = 0.8
# The playbooks' own variable; and the fact, which is a variable too where ansible.cfg does not say otherwise.
_OTHERS = {"whisperx_hosts", "whisperx_hosts_required", "whisperx_host"}


def defined(roles: Path) -> set[str]:
    """Return every public variable: each role's defaults have all of its variables."""
    names = set(_OTHERS)
    for path in sorted(roles.glob(f"{PREFIX}*/defaults/main.yml")):
        names |= set(_read(path))
    return names


def specifications(roles: Path) -> dict[str, dict[str, Any]]:
    """Return variable to its entry in the argument specification of its role."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(roles.glob(f"{PREFIX}*/meta/argument_specs.yml")):
        found |= _read(path)["argument_specs"]["main"].get("options") or {}
    return found


def refuse_unknown(names: Mapping[str, str], known: Collection[str]) -> None:
    """Raise Problem "preflight.unknown-variable" for a name that begins like ours and is none of the known.

    ``names``: each with where it is set, "" if that is unknown. A first word that is nearly ours, such as in
    whisper_plan_device, is meant to be ours if the rest is a known name.
    """
    meant = {name: _meant(name, known) for name in sorted(names) if name not in known}
    unknown = {name: match for name, match in meant.items() if match or name.startswith(PREFIX)}
    if not unknown:
        return
    close = [f"{match} instead of {name}" for name, match in unknown.items() if match]
    places = {name: f"{name} in {names[name]}" if names[name] else name for name in unknown}
    raise Problem(
        "preflight.unknown-variable",
        f"Unknown variables ({'; '.join(places.values())})",
        "",
        "names that a role defines",
        f"Did you mean {', '.join(close)}?" if close else "The README of each role has the names.",
    )


def _meant(name: str, known: Collection[str]) -> str:
    """Return the known name that was probably meant, "" if there is none."""
    if name.startswith(PREFIX):
        return next(iter(difflib.get_close_matches(name, sorted(known), 1)), "")
    first, _separator, rest = name.lower().partition("_")
    alike = difflib.SequenceMatcher(None, first, PREFIX[:-1]).ratio() > _ALIKE
    return PREFIX + rest if alike and "_" in rest and PREFIX + rest in known else ""


def refuse_strangers(wanted: Mapping[str, Iterable[str]], groups: Mapping[str, Collection[str]]) -> None:
    """Raise Problem "preflight.unknown-host" for a host or group that the inventory does not have.

    ``wanted``: where they are asked for, to their names. ``groups``: group to its hosts.
    """
    known = {*groups, *groups.get("all", ())}
    for place, names in wanted.items():
        strange = sorted(set(names) - known)
        if strange:
            close = [match for name in strange for match in difflib.get_close_matches(name, sorted(known), 1)]
            raise Problem(
                "preflight.unknown-host",
                f"Unknown hosts or groups ({', '.join(strange)})",
                place,
                "hosts or groups of the inventory",
                f"Did you mean {', '.join(close)}?" if close else "`ansible-inventory --graph` shows them.",
            )


def _read(path: Path) -> dict[str, Any]:
    content = load_yaml(path.read_text(encoding="utf-8"))
    return content if isinstance(content, dict) else {}
