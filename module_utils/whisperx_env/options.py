"""The options of the module, what they mean on a host, and its result."""

from __future__ import annotations

import os
import time
from typing import Any, Dict, Mapping

from ..whisperx_common.index_options import index_options
from ..whisperx_common.models import USUAL
from ..whisperx_common.site_options import site_options
from ..whisperx_release import state, summary
from ..whisperx_release.model import Layout, Outcome

__all__ = ["ARGUMENTS", "PATHS", "layout_of", "result_of"]

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
    **site_options(named=True),
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
