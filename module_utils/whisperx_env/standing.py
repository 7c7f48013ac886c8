"""Whether the active release would stay as it is, known from its record, without plan and lock of this run.

The facts of a host so come with the assessment of its environment. The controller, which makes plan and lock
from those facts, then compares what was asked: if it is the same, the host need not be contacted again.
"""

from __future__ import annotations

import os
import time
from typing import Any, Dict, Mapping, Optional, Sequence

from ..whisperx_common import lockfile
from ..whisperx_common.files import read_text
from ..whisperx_problem import Problem
from ..whisperx_release import disk, engine, state
from ..whisperx_release.followers import Followers, Several
from ..whisperx_release.hooks import Hooks
from ..whisperx_release.model import Layout
from ..whisperx_service.late import compared, services
from .deciding import Deciding
from .model import Options, Wanted, placed, want
from .options import ARGUMENTS, PATHS, layout_of, result_of

__all__ = ["OPTIONS", "asked", "assess", "assessment", "recorded"]

# The options of whisperx_env that an assessment goes by.
OPTIONS: Dict[str, Any] = {
    name: ARGUMENTS[name]
    for name in (
        "root",
        "keep",
        "verify_level",
        "bin_dir",
        "facts_dir",
        "cache",
        "models_dir",
        "hashes",
        "services",
        "metrics_dir",
    )
}
# What of whisperx_env's result says something about a host that stays as it is.
_PARTS = ("asked", "options", "result")
_RESULT = (
    *("changed", "actions", "diff", "release", "record", "summary", "verify", "timings", "wanted_files"),
    "services",
)


def asked(wanted: Wanted) -> Dict[str, Any]:
    """Return what of a request decides about a release that is there: the same request, the same decision."""
    loader_paths = wanted.plan.get("loader_paths") if wanted.device == "cuda" else None
    return {
        "wanted": wanted.digest,
        "packages": wanted.lock.header["content"],
        "python": str(wanted.plan.get("python") or ""),
        "device": wanted.device,
        "environment": wanted.environment,
        "loader_paths": [str(path) for path in loader_paths or []],
        "scripts": list(wanted.scripts),
    }


def recorded(layout: Layout) -> Optional[Wanted]:
    """Return the request that the active release was made for, None if it does not say so.

    Raises Problem "lock.malformed".
    """
    record = state.record_at(layout.current)
    path = os.path.join(layout.current, "requirements.txt")
    text = read_text(path)
    if text is None or not record.get("wanted") or not record.get("device"):
        return None
    plan = {
        "python": record.get("python"),
        "device": record.get("device"),
        "environment": record.get("environment") or {},
        "scripts": record.get("scripts") or [],
        "loader_paths": (record.get("needs") or {}).get("loader_paths") or [],
    }
    lock, linked = lockfile.parse(text, path), tuple(map(str, record.get("scripts") or []))
    return Wanted(plan, lock, text, str(record.get("id")), str(record["wanted"]), linked)


def assess(given: Mapping[str, Any], more: Sequence[Followers] = ()) -> Dict[str, Any]:
    """Return ``asked``, ``options`` and ``result`` if the active release would stay as it is, else {}.

    ``given``: the options OPTIONS. ``result``: that of whisperx_env, had it been asked for the same with
    these options; ``more`` as in `run.run`. What is wrong is for whisperx_env to say, which runs whenever
    this returns {}.
    """
    started = time.monotonic()
    layout = layout_of(given)
    try:
        disk.check_paths(layout, given, PATHS)
        wanted = recorded(layout)
        if wanted is None:
            return {}
        options = Options(keep=given["keep"], verify_level=given["verify_level"], hashes=given["hashes"])
        hooks = Hooks(followers=Several([services(given["services"]), *more]))
        outcome = engine.present(layout, Deciding(layout, options, hooks, wanted), hooks, check=True)
        result = result_of(layout, outcome, started, check=True)
    except (Problem, OSError):
        return {}
    if result["actions"] or result["wanted_files"]:
        return {}
    return {"asked": asked(wanted), "options": _shown(given), "result": result}


def assessment(given: Mapping[str, Any], known: Any) -> Optional[Dict[str, Any]]:
    """Return the result of an assessment that came with the facts, None unless it is of what is asked now.

    ``given``: the options of whisperx_env, some of which may be texts still. ``known``: what `assess`
    returned, or anything that a host says instead.
    """
    if not given.get("assess") or given.get("state", "present") != "present" or "activate" in given:
        return None
    if not isinstance(known, Mapping) or not all(isinstance(known.get(part), Mapping) for part in _PARTS):
        return None
    try:
        options = _shown({name: given.get(name, option.get("default")) for name, option in OPTIONS.items()})
        plan = placed(given["plan"], str(options["models_dir"]))
        wanted = want(plan, given["lock"], list(given.get("commands") or []))
    except (Problem, KeyError, TypeError):
        return None  # for the module to say
    if known["asked"] != asked(wanted) or _texts(known["options"]) != _texts(options):
        return None
    found = known["result"]
    if found.get("actions") or found.get("wanted_files"):
        return None
    return {**{name: found[name] for name in _RESULT if name in found}, "changed": False, "bytes_brought": 0}


def _shown(options: Mapping[str, Any]) -> Dict[str, Any]:
    """Return options without secrets; what this returned stays. Raises Problem "service.malformed"."""
    asked = options.get("services")
    return {**options, "services": asked if isinstance(asked, str) else compared(asked)}


def _texts(options: Mapping[str, Any]) -> Dict[str, str]:
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in options.items()
    }
