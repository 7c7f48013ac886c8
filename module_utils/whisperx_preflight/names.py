"""The names of public variables: which there are, and which nobody defines."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import yaml

from ..whisperx_problem import Problem

__all__ = ["PREFIX", "defined", "refuse_unknown", "specifications"]

PREFIX = "whisperx_"
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


def refuse_unknown(names: Iterable[str], known: Collection[str]) -> None:
    """Raise Problem "preflight.unknown-variable" when a name that begins like ours is none of the known."""
    unknown = sorted(name for name in set(names) if name.startswith(PREFIX) and name not in known)
    if not unknown:
        return
    close = [difflib.get_close_matches(name, sorted(known), 1) for name in unknown]
    meant = [f"{match[0]} instead of {name}" for name, match in zip(unknown, close, strict=True) if match]
    raise Problem(
        "preflight.unknown-variable",
        f"Unknown variables ({', '.join(unknown)})",
        "",
        "names that a role defines",
        f"Did you mean {', '.join(meant)}?" if meant else "The README of each role has the names.",
    )


def _read(path: Path) -> dict[str, Any]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content if isinstance(content, dict) else {}
