"""A run's outcome in a few lines for people."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence

from .model import Layout, Outcome

__all__ = ["VERBS", "diff", "lines"]

# Shown apart from the rest of the time.
_SHOWN = ("build", "verify")
# The first word of a step that was done, and of one that would be.
VERBS = {
    "Built": "build",
    "Checked": "check",
    "Discarded": "discard",
    "Installed": "install",
    "Linked": "link",
    "Loaded": "load",
    "Named": "name",
    "Removed": "remove",
    "Restarted": "restart",
    "Started": "start",
    "Stopped": "stop",
    "Switched": "switch",
    "Verified": "verify",
    "Wrote": "write",
}


def diff(outcome: Outcome) -> Dict[str, str]:
    """Return Ansible's before and after: the active package versions, one a line."""
    return {"before": _listed(outcome.before), "after": _listed(outcome.after)}


def lines(
    layout: Layout, record: Mapping[str, Any], outcome: Outcome, seconds: float, predicted: bool
) -> List[str]:
    """Return what is there now, where, how to run it, and how long it took.

    ``record`` is the release.json of the active release, {} if there is none (yet).
    """
    found: List[str] = []
    if record:
        versions = record.get("versions") or {}
        names = [name for name in record.get("requested") or [] if name in versions]
        names += [name for name in ("ctranslate2", "torch") if name in versions and name not in names]
        shown = ", ".join("{} {}".format(name, versions[name]) for name in names)
        found.append("{} on {}, Python {}".format(shown, record.get("device"), record.get("python")))
        found.append("in {}, packages: {}".format(layout.release(str(record.get("id"))), len(versions)))
        found.append("run it with {}".format(_how(layout, record.get("scripts") or [])))
    elif not predicted:
        found.append("nothing is installed")
    if predicted and outcome.actions:
        found.append("would {}".format("; ".join(map(_planned, outcome.actions))))
    elif outcome.actions:
        known = [kind for kind in _SHOWN if kind in outcome.timings]
        parts = ["{} {:.1f} s".format(kind, outcome.timings[kind]) for kind in known]
        found.append("took {:.1f} s{}".format(seconds, " ({})".format(", ".join(parts)) if parts else ""))
    else:
        found.append("unchanged, checked in {:.2f} s".format(seconds))
    return found + list(outcome.notes)


def _planned(action: str) -> str:
    """Return the sentence of a step as one that is still to be done."""
    verb, space, rest = action.partition(" ")
    return VERBS.get(verb, verb) + space + rest


def _how(layout: Layout, scripts: Sequence[str]) -> str:
    commands = [layout.command(name) if layout.bin_dir else layout.launcher(name) for name in scripts]
    return ", ".join(commands or [layout.launcher("python")])


def _listed(versions: Mapping[str, str]) -> str:
    return "".join("{}=={}\n".format(name, version) for name, version in sorted(versions.items()))
