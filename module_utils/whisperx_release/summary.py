"""A run's outcome in a few lines for people."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence

from .model import Layout, Outcome

__all__ = ["diff", "lines"]

# Worth telling apart from the rest of the time.
_TOLD = ("build", "verify")


def diff(outcome: Outcome) -> Dict[str, str]:
    """Return Ansible's before and after: the package versions in use, one a line."""
    return {"before": _listed(outcome.before), "after": _listed(outcome.after)}


def lines(
    layout: Layout, record: Mapping[str, Any], outcome: Outcome, seconds: float, predicted: bool
) -> List[str]:
    """Return what is there now, where, how to run it, and how long it took.

    ``record`` is the release.json of the release in use, {} when there is none (yet).
    """
    told: List[str] = []
    if record:
        versions = record.get("versions") or {}
        names = [name for name in record.get("requested") or [] if name in versions]
        names += [name for name in ("ctranslate2", "torch") if name in versions and name not in names]
        shown = ", ".join("{} {}".format(name, versions[name]) for name in names)
        told.append("{} on {}, Python {}".format(shown, record.get("device"), record.get("python")))
        told.append("in {}, packages: {}".format(layout.release(str(record.get("id"))), len(versions)))
        told.append("run it with {}".format(_how(layout, record.get("scripts") or [])))
    elif not predicted:
        told.append("nothing is installed")
    if predicted and outcome.actions:
        told.append("predicted: {}".format("; ".join(outcome.actions)))
    elif outcome.actions:
        known = [kind for kind in _TOLD if kind in outcome.timings]
        parts = ["{} {:.1f} s".format(kind, outcome.timings[kind]) for kind in known]
        told.append("took {:.1f} s{}".format(seconds, " ({})".format(", ".join(parts)) if parts else ""))
    else:
        told.append("unchanged, checked in {:.2f} s".format(seconds))
    return told + list(outcome.notes)


def _how(layout: Layout, scripts: Sequence[str]) -> str:
    commands = [layout.command(name) if layout.bin_dir else layout.launcher(name) for name in scripts]
    return ", ".join(commands or [layout.launcher("python")])


def _listed(versions: Mapping[str, str]) -> str:
    return "".join("{}=={}\n".format(name, version) for name, version in sorted(versions.items()))
