"""From the options of the module to its result."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any, Dict, Iterator, List, Mapping

from ..whisperx_common import trust
from ..whisperx_common.files import discard, open_umask
from ..whisperx_common.locking import Held, exclusive
from ..whisperx_common.site_options import site_options
from ..whisperx_problem import Problem
from ..whisperx_release import disk
from ..whisperx_release.disk import MIB
from . import place
from .decide import Decision, decide, described
from .listing import look
from .model import Layout, Wanted, want
from .standing import LISTED, check_place

__all__ = ["ARGUMENTS", "predicted", "run"]

ARGUMENTS: Dict[str, Any] = {
    **LISTED,
    "manifest": {"type": "dict"},
    "state": {"choices": ["present", "absent"], "default": "present"},
    **site_options(named=False),
    "assess": {"type": "bool", "default": False},
    "staging": {"type": "path", "default": ""},
}
# A set is a few small files of its own, beside those that it shares.
_SPARE = 16 * MIB
_EMPTY = {"schema": 1, "models": []}


def _silent(_event: str) -> None:
    pass


def predicted(listing: Mapping[str, Any], wanted: Wanted) -> Dict[str, Any]:
    """Return the module's result in check mode, from a listing of the host. Raises Problem for no room."""
    decision = decide(listing, wanted)
    if decision.missing:
        check_room(str(listing["dir"]), decision.bytes, int(listing["free"]))
    return _result(wanted, decision, check=True)


def run(given: Mapping[str, Any], check: bool, emit: place.Emit = _silent) -> Dict[str, Any]:
    """Do what the options ask, or with ``check`` only say it. Raises Problem, OSError."""
    started = time.monotonic()
    layout = Layout(os.path.normpath(given["dir"]))
    wanted = want(_EMPTY if given["state"] == "absent" else given["manifest"])
    check_place(layout)
    listing = look(layout, given["keep"], given["hashes"])
    decision = decide(listing, wanted)
    result = _result(wanted, decision, check)
    if not decision.actions or check:
        if decision.missing and decision.actions:
            check_room(layout.root, decision.bytes, int(listing["free"]))
        return result
    sources = {item["sha256"]: item["path"] for item in given["files"] if item["path"]}
    disk.check_writable({layout.root: "whisperx_models_dir"})
    with open_umask(), _held(layout, bool(wanted.identity)):
        decision, moved = _apply(layout, wanted, given, sources, emit)
    result = _result(wanted, decision, check=False)
    result["wanted_files"] = [] if moved is not None else _wanted(decision)
    result["bytes_brought"] = moved or 0
    result["changed"] = moved is not None and bool(decision.actions)
    result["timings"] = {"models": round(time.monotonic() - started, 3)}
    return result


def check_room(root: str, size: int, free: int) -> None:
    """Raise Problem "models.disk-space" where ``free`` bytes are too few for ``size`` bytes of models."""
    if free < size + _SPARE:
        raise Problem(
            "models.disk-space",
            "{} MiB free".format(free // MIB),
            root,
            "{} MiB, for files of models that are not there yet".format(-(-(size + _SPARE) // MIB)),
            "Free some space, or set whisperx_models_dir to a larger file system.",
        )


def check_staging(root: str, staging: str, size: int, free: int) -> None:
    """Raise Problem "models.disk-space" where files that travel do not fit where Ansible puts them first."""
    place = disk.existing(staging)
    same = os.stat(place).st_dev == os.stat(disk.existing(root)).st_dev
    answer = os.statvfs(place)
    room, wish = answer.f_bavail * answer.f_frsize, size * (2 if same else 1) + _SPARE
    if min(room, free if same else room) < wish:
        raise Problem(
            "models.disk-space",
            "{} MiB free".format(room // MIB),
            staging,
            "{} MiB, where Ansible puts files of models before they are placed".format(-(-wish // MIB)),
            "Free some space, set ansible_remote_tmp to a larger file system, or set "
            "whisperx_wheelhouse_mode to http, which transfers into the store itself.",
        )


def _apply(
    layout: Layout, wanted: Wanted, given: Mapping[str, Any], sources: Mapping[str, str], emit: place.Emit
) -> tuple[Decision, int | None]:
    """Do it, under the lock; return what was decided there, and the bytes that came from the site's store.

    None for the bytes says that files have to come first; then only files that were written to were read.
    """
    if wanted.identity:
        place.claim(layout)
    listing = look(layout, given["keep"], given["hashes"])
    place.repair(layout, [name for name in listing["doubtful"] if name in wanted.contents])
    decision = decide(dict(listing, files=_there(layout, listing)), wanted)
    moved = 0
    if decision.missing:
        comes = not given["wheelhouse_url"] and set(decision.missing) - set(sources)
        if comes and given["staging"]:
            check_staging(layout.root, given["staging"], decision.bytes, int(listing["free"]))
        check_room(layout.root, decision.bytes, int(listing["free"]))
        if comes:
            return decision, None
        for name in decision.missing:
            if name in sources:
                place.take(layout, name, sources[name])
                emit("file")
        left = {name: size for name, size in decision.missing.items() if name not in sources}
        if left:
            from .fetch import fetch  # only where something is fetched

            moved = fetch(layout, left, given["wheelhouse_url"])
    if wanted.identity:
        place.place(layout, wanted, emit)
    else:
        discard(layout.current)
    place.prune(layout, look(layout, given["keep"])["spare"], wanted)
    return decision, moved


def _there(layout: Layout, listing: Mapping[str, Any]) -> List[str]:
    return [*listing["files"], *(name for name in listing["doubtful"] if os.path.exists(layout.file(name)))]


@contextlib.contextmanager
def _held(layout: Layout, makes: bool) -> Iterator[None]:
    """Hold the store's lock. Raises Problem "models.busy"."""
    with contextlib.ExitStack() as stack:
        try:
            if makes:
                trust.make(layout.root, "whisperx_models_dir", "models.untrusted-directory")
            stack.enter_context(exclusive(layout.lock, layout.root))
        except Held as taken:
            raise Problem(
                "models.busy",
                "another run (process {}) is at work".format(taken.pid or "unknown"),
                layout.lock,
                "one run at a time on one store",
                "Wait for it to end, then run again; a run that was killed holds no lock.",
            ) from None
        yield


def _wanted(decision: Decision) -> List[Dict[str, Any]]:
    return [{"sha256": name, "size": size} for name, size in sorted(decision.missing.items())]


def _result(wanted: Wanted, decision: Decision, check: bool) -> Dict[str, Any]:
    needed = decision.missing if decision.actions else {}
    return {
        "changed": bool(decision.actions),
        "actions": list(decision.actions),
        "set": wanted.identity,
        "models": dict(wanted.models),
        "diff": {"before": described(decision.before), "after": described(decision.after)},
        "summary": _summary(decision, check),
        "wanted_files": _wanted(decision) if needed else [],
        "wanted_bytes": sum(needed.values()),
        "bytes_brought": 0,
        "timings": {},
    }


def _summary(decision: Decision, check: bool) -> List[str]:
    """Return the lines for people: what there is, and what would change."""
    lines, there = [], decision.before if check else decision.after
    if there:
        lines.append("models: {}".format(", ".join(there)))
    elif decision.before:
        lines.append("models: none")
    if check and decision.actions:
        more = ", {:.0f} MB to transfer".format(decision.bytes / 1e6) if decision.missing else ""
        lines.append("would change models: {}{}".format("; ".join(map(_planned, decision.actions)), more))
    return lines


_VERBS = {"Placed": "place", "Moved": "move", "Removed": "remove", "Repaired": "repair"}


def _planned(action: str) -> str:
    verb, space, rest = action.partition(" ")
    return _VERBS.get(verb, verb) + space + rest
