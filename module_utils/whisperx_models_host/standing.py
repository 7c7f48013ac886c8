"""The listing of a store for the facts of its host: what a module needs that only looks."""

from __future__ import annotations

import os
from typing import Any, Dict

from ..whisperx_common import trust
from ..whisperx_problem import Problem
from .listing import look
from .model import Layout

__all__ = ["LISTED", "assess", "check_place"]

# The options that a listing goes by.
LISTED: Dict[str, Any] = {
    "dir": {"type": "path", "default": "/opt/whisperx/models"},
    "keep": {"type": "int", "default": 1},
    "hashes": {"type": "bool", "default": False},
}


def assess(dir: str, keep: int, hashes: bool) -> Dict[str, Any]:
    """Return the listing of a store for the facts of a host; one that cannot be read says why."""
    layout = Layout(os.path.normpath(dir))
    try:
        check_place(layout)
        return look(layout, keep, hashes)
    except Problem as problem:
        return {"dir": layout.root, "problem": problem.sentence()}
    except OSError as error:
        return {"dir": layout.root, "problem": error.strerror or str(error)}


def check_place(layout: Layout) -> None:
    """Raise Problem for a path that is not absolute, or a directory that others can change."""
    if not os.path.isabs(layout.root):
        raise Problem(
            "models.relative-path",
            "'{}'".format(layout.root),
            "whisperx_models_dir",
            "an absolute path",
            "Write it with a leading slash.",
        )
    trust.check({layout.root: "whisperx_models_dir"}, "models.untrusted-directory")
