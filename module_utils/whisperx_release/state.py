"""Read what is on the host below the root. Nothing is decided or changed here."""

from __future__ import annotations

import os
import stat
from typing import Any, Collection, Dict, List, Set

from ..whisperx_common.files import GOING, is_leftover, names_in
from ..whisperx_common.models import MARKER as MODELS_MARKER
from ..whisperx_problem import Problem
from . import building, records
from .model import SERVICES, Layout, Release, State
from .records import RECORD

__all__ = ["RECORD", "last_rollback", "read", "read_link", "record_at", "release", "strangers"]


def read(layout: Layout) -> State:
    """Return the state of the root.

    Raises Problem "env.foreign-directory" when something is at the root that this toolkit did not make.
    """
    going = os.path.isdir(layout.going) and not os.path.islink(layout.going)
    if not os.path.lexists(layout.root):
        return State(exists=False, going=going)
    if not os.path.isdir(layout.root):
        raise _foreign(layout, "a file, or a link to nothing")
    if not _is_file(layout.marker):
        strangers = sorted(name for name in os.listdir(layout.root) if not _unmarked(layout, name))
        if strangers:
            shown = ", ".join(strangers[:5]) + (", …" if len(strangers) > 5 else "")
            raise _foreign(layout, "a directory with other contents ({})".format(shown))
        return State(exists=False, going=going)
    releases = _releases(layout)
    return State(
        exists=True,
        current=_link_target(layout, layout.current, releases),
        previous=_link_target(layout, layout.previous, releases),
        releases=releases,
        runs=_running(layout, releases),
        leftovers=tuple(sorted(name for name in names_in(layout.root) if _is_leftover(layout, name))),
        going=going,
    )


def release(layout: Layout, name: str) -> Release:
    """Return one release as it is now; half-built when its record cannot be read."""
    return _release(layout, name, building.read(layout).release)


def record_at(path: str) -> Dict[str, Any]:
    """Return the record of the release at ``path``, {} for none."""
    return records.release(os.path.join(path, RECORD)) or {}


def last_rollback(layout: Layout) -> str:
    """Return the release that the last rollback went to, "" where none is noted."""
    target = read_link(layout.rolled_back)
    if target:
        return os.path.basename(target)
    # Releases of this toolkit before this one wrote a file.
    return str((records.rollback(layout.rolled_back) or {}).get("to") or "")


def read_link(path: str) -> str:
    """Return what a link leads to, "" for what is no link."""
    try:
        return os.readlink(path)
    except OSError:
        return ""


def strangers(layout: Layout, own: Collection[str]) -> List[str]:
    """Return the names in the root that neither the engine nor a runtime, who has ``own``, keeps there."""
    names = _written(layout)
    known = names | {"releases", ".lock", SERVICES} | set(own)
    return sorted(
        name
        for name in names_in(layout.root)
        if name not in known
        and not (name.endswith(GOING) and name[: -len(GOING)] in known)
        and not _is_leftover(layout, name)
    )


def _written(layout: Layout) -> Set[str]:
    """Return the names of what the engine writes in the root itself, under another name first."""
    links = (layout.current, layout.previous, layout.rolled_back, layout.marker)
    return {os.path.basename(path) for path in links} | {building.NAME, ".progress"}


def _is_leftover(layout: Layout, name: str) -> bool:
    return any(is_leftover(name, one) for one in _written(layout))


def _is_file(path: str) -> bool:
    """Return whether an ordinary file is there. What is in our marker is no matter: its name says it."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _releases(layout: Layout) -> Dict[str, Release]:
    """Return everything below releases/ by name. What a link there leads to is not ours."""
    names = [] if os.path.islink(layout.releases) else sorted(names_in(layout.releases))
    unfinished = building.read(layout).release
    return {name: _release(layout, name, unfinished) for name in names}


def _release(layout: Layout, name: str, unfinished: str) -> Release:
    path = layout.release(name)
    whole = not name.endswith(GOING) and name != unfinished
    return Release(name, path, records.release(os.path.join(path, RECORD)) if whole else None)


def _link_target(layout: Layout, path: str, releases: Dict[str, Release]) -> str:
    """Return the name of the complete release that a link points to, "" for anything else."""
    name = _leads_to(layout, path, releases)
    return name if name and releases[name].complete else ""


def _running(layout: Layout, releases: Dict[str, Release]) -> str:
    """Return the name of the directory that users run, complete or not, "" for none."""
    name = _leads_to(layout, layout.current, releases)
    path = layout.release(name)
    return name if name and os.path.isdir(path) and not os.path.islink(path) else ""


def _leads_to(layout: Layout, path: str, releases: Dict[str, Release]) -> str:
    """Return the name of what a link points to below releases/, "" for anything else."""
    target = read_link(path)
    if not target:
        return ""
    target = os.path.normpath(os.path.join(layout.root, target))
    name = os.path.basename(target)
    return name if os.path.dirname(target) == layout.releases and name in releases else ""


def _unmarked(layout: Layout, name: str) -> bool:
    """Return whether a run killed in its first instant may have left this: no marker yet, so little else."""
    marker = os.path.basename(layout.marker)
    return name in (".lock", marker) or is_leftover(name, marker) or _is_models(layout, name)


def _is_models(layout: Layout, name: str) -> bool:
    """Return whether this is a store of models, which may be there before and after any environment."""
    return _is_file(layout.path(name, MODELS_MARKER))


def _foreign(layout: Layout, found: str) -> Problem:
    return Problem(
        "env.foreign-directory",
        "found {} that this toolkit did not make".format(found),
        layout.root,
        "an absent or empty directory, or one made by this toolkit",
        "Set {} to another path, or move that directory away.".format(layout.option("root")),
    )
