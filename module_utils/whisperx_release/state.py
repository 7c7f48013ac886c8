"""Read what is on the host below the root. Nothing is decided or changed here."""

from __future__ import annotations

import os
from typing import Dict

from ..whisperx_common.files import GOING, is_leftover, read_json
from ..whisperx_problem import Problem
from . import building
from .model import Layout, Release, State

__all__ = ["RECORD", "read"]

# Written last: a release that has it was built, checked and verified to the end.
RECORD = "release.json"


def read(layout: Layout) -> State:
    """Return the state of the root.

    Raises Problem "env.foreign-directory" when something is at the root that this toolkit did not make.
    """
    if not os.path.lexists(layout.root):
        return State(exists=False)
    if not os.path.isdir(layout.root):
        raise _foreign(layout, "a file, or a link to nothing")
    if read_json(layout.marker) is None:
        strangers = sorted(name for name in os.listdir(layout.root) if not _unmarked(layout, name))
        if strangers:
            shown = ", ".join(strangers[:5]) + (", …" if len(strangers) > 5 else "")
            raise _foreign(layout, "a directory with other contents ({})".format(shown))
        return State(exists=False)
    releases = _releases(layout)
    return State(
        exists=True,
        current=_link_target(layout, layout.current, releases),
        previous=_link_target(layout, layout.previous, releases),
        releases=releases,
    )


def _releases(layout: Layout) -> Dict[str, Release]:
    """Return every directory below releases/ by name."""
    found: Dict[str, Release] = {}
    try:
        names = sorted(os.listdir(layout.path("releases")))
    except FileNotFoundError:
        return found
    unfinished = building.read(layout).release
    for name in names:
        path = layout.release(name)
        whole = not name.endswith(GOING) and name != unfinished
        found[name] = Release(name, path, read_json(os.path.join(path, RECORD)) if whole else None)
    return found


def _link_target(layout: Layout, path: str, releases: Dict[str, Release]) -> str:
    """Return the name of the complete release that a link points to, "" for anything else."""
    try:
        target = os.path.normpath(os.path.join(layout.root, os.readlink(path)))
    except OSError:
        return ""
    name = os.path.basename(target)
    inside = os.path.dirname(target) == layout.path("releases")
    return name if inside and name in releases and releases[name].complete else ""


def _unmarked(layout: Layout, name: str) -> bool:
    """Return whether a run killed in its first instant may have left this: no marker yet, so little else."""
    marker = os.path.basename(layout.marker)
    return name in (".lock", marker) or is_leftover(name, marker)


def _foreign(layout: Layout, found: str) -> Problem:
    return Problem(
        "env.foreign-directory",
        "found {} that this toolkit did not make".format(found),
        layout.root,
        "an absent or empty directory, or one made by this toolkit",
        "Set whisperx_venv_root to another path, or move that directory away.",
    )
