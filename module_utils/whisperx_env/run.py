"""From the options of the module to its result."""

from __future__ import annotations

import os
import time
from typing import Any, Dict, Mapping, Sequence, Tuple

from ..whisperx_common.index_options import index_options, index_values
from ..whisperx_common.models import USUAL
from ..whisperx_common.progress import Progress
from ..whisperx_problem import Problem
from ..whisperx_release import disk, state, summary
from ..whisperx_release.followers import Followers, Several
from ..whisperx_release.hooks import Hooks
from ..whisperx_release.model import Layout, Outcome
from ..whisperx_service.follow import Services
from ..whisperx_service.model import services_of
from . import apply
from .model import Carried, Options, Sources, Wanted, placed, want

__all__ = ["ARGUMENTS", "PATHS", "followers_of", "layout_of", "result_of", "run", "unexpected"]

ARGUMENTS: Dict[str, Any] = {
    "state": {"choices": ["present", "rolled_back", "absent"], "default": "present"},
    "root": {"type": "path", "default": "/opt/whisperx"},
    "plan": {"type": "dict"},
    "lock": {"type": "str"},
    "release": {"default": ""},
    "commands": {"type": "list", "elements": "str", "default": []},
    "keep": {"type": "int", "default": 2},
    "activate": {"type": "bool", "default": True},
    "verify_level": {"choices": ["import", "kernels", "pipeline", "speech"], "default": "pipeline"},
    "bin_dir": {"type": "path", "default": "/usr/local/bin"},
    "facts_dir": {"type": "path", "default": "/etc/ansible/facts.d"},
    "cache": {"type": "path", "default": ""},
    "models_dir": {"type": "path", "default": USUAL},
    "hashes": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 3600},
    "verify_timeout": {"type": "int", "default": 600},
    "rollback_verify": {"choices": ["none", "import", "kernels", "pipeline"], "default": "import"},
    **index_options(find_links="str"),
    "offline": {"type": "bool", "default": False},
    "uv": {
        "type": "dict",
        "options": {"sha256": {"required": True}, "path": {"type": "path", "default": ""}},
    },
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "sha256": {"required": True},
            "file": {"required": True},
            "path": {"type": "path", "default": ""},
        },
    },
    "wheelhouse_url": {"default": "", "no_log": True},
    "services": {"type": "dict"},
    "metrics_dir": {"type": "path"},
    "assess": {"type": "bool", "default": False},
    "progress": {"type": "path", "default": ""},
}

# The options that name directories.
PATHS = ("root", "bin_dir", "facts_dir", "cache")


def layout_of(given: Mapping[str, Any]) -> Layout:
    """Return the paths that the options name."""
    return Layout(os.path.normpath(given["root"]), given["bin_dir"], given["facts_dir"], given["cache"])


def run(given: Mapping[str, Any], check: bool, more: Sequence[Followers] = ()) -> Outcome:
    """Do what the options ask, or with ``check`` only say it. Raises Problem.

    ``more`` are what follows the active release beside its services.
    """
    layout = layout_of(given)
    disk.check_paths(layout, given, PATHS)
    options = Options(
        keep=given["keep"],
        activate=given["activate"],
        verify_level=given["verify_level"],
        timeout=given["timeout"],
        verify_timeout=given["verify_timeout"],
        hashes=given["hashes"],
        rollback_verify=given["rollback_verify"],
        sources=Sources(
            offline=given["offline"],
            **index_values(given),
        ),
        carried=carried(given),
        wheelhouse=given["wheelhouse_url"],
    )
    progress = Progress("" if check else given["progress"])
    asked = given["services"] if given["state"] == "present" else None
    hooks = Hooks(prove, progress=progress, followers=followers_of(asked, more))
    try:
        if given["state"] == "absent":
            return apply.absent(layout, options, hooks, check)
        if given["state"] == "rolled_back":
            return apply.rolled_back(layout, given["release"], options, hooks, check)
        plan = placed(given["plan"], given["models_dir"])
        wanted = want(plan, given["lock"], given["commands"])
        return apply.present(layout, wanted, options, hooks, check)
    finally:
        progress.end()


def followers_of(services: Any, more: Sequence[Followers] = ()) -> Followers:
    """Return the services asked for, or with None those that the host notes, and ``more``.

    Raises Problem "service.malformed".
    """
    return Several([Services(None if services is None else services_of(services)), *more])


def result_of(
    layout: Layout, outcome: Outcome, started: float, check: bool, active: bool = True
) -> Dict[str, Any]:
    """Return the module's result of a run that began at ``started``, a time of ``time.monotonic``.

    ``active``: whether it is about the active release, not about one that was made ready beside it.
    """
    seconds = time.monotonic() - started
    record = state.record_at(layout.current if active else layout.release(outcome.release))
    return {
        "changed": bool(outcome.actions),
        "predicted": check,
        "actions": outcome.actions,
        "diff": summary.diff(outcome),
        "release": outcome.release,
        "record": record,
        "summary": summary.lines(layout, record, outcome, seconds, check),
        "verify": outcome.verify,
        "timings": outcome.timings,
        "wanted_files": outcome.wanted_files,
        "bytes_brought": outcome.fetched,
        "services": outcome.services,
    }


def unexpected(error: OSError) -> Problem:
    """Return what the system said as a Problem. Every step may be stopped at, so what was in use still is."""
    return Problem(
        "env.system",
        error.strerror or str(error),
        str(error.filename or ""),
        "a file system that does what it is asked",
        "Fix that, then run again; nothing incomplete is active.",
    )


def prove(path: str, wanted: Wanted, options: Options) -> Dict[str, Any]:
    """Verify a release; loaded only then, because most runs find nothing to verify."""
    from . import prove as proof

    return proof.prove(path, wanted, options)


def carried(given: Mapping[str, Any]) -> Tuple[Carried, ...]:
    """Return the files that travel with the run."""
    items = [Carried(item["sha256"], item["file"], item["path"]) for item in given["files"]]
    if given["uv"]:
        items.append(Carried(given["uv"]["sha256"], "uv", given["uv"]["path"]))
    return tuple(items)
