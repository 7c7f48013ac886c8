"""Do the steps of a decision, one deed per kind of step.

Whatever instant the process dies at, `current` leads to a complete and verified release: a release is made
beside the others, gets its record last, and one rename of a link puts it to use.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from typing import Dict

from ..whisperx_common.files import discard, link, make_way, read_json, write_json
from . import building, outside, state, uses
from .model import SCHEMA, Layout, Outcome, Step, tries_models
from .records import RECORD
from .runtime import Deed, Run, Runtime

__all__ = ["claim", "perform"]

_FULL = (errno.ENOSPC, errno.EDQUOT)
# What the record keeps of the report of a verification.
_KEPT = ("level", "device", "seconds", "warnings")
# A link from one of our directories to somewhere else is removed: what lies there is not ours. Downloads may.
_MAY_BE_LINKS = ("cache",)


def claim(layout: Layout, runtime: Runtime) -> None:
    """Mark the root as ours, and clear what stands where our directories belong."""
    discard(layout.going)
    if read_json(layout.marker) is None:
        write_json(layout.marker, {"schema": SCHEMA, "made_by": "whisperx-fleet"})
    for name in sorted({"releases"} | runtime.directories):
        path = layout.path(name)
        if name not in _MAY_BE_LINKS or not os.path.isdir(path):
            make_way(path, directory=True)


def perform(run: Run) -> Outcome:
    """Do the steps up to the first that is left to who called; return the outcome.

    When one fails before the release is complete, what was made of it is removed again.
    """
    if run.decision.awaits:
        return run.outcome
    deeds = {**DEEDS, **run.runtime.deeds(), **run.hooks.followers.deeds()}
    made = "" if run.before.get(run.decision.release) else run.decision.release
    for step in run.decision.steps:
        if step.left:
            break
        started = time.monotonic()
        run.hooks.emit("{}:start".format(step.kind))
        run.hooks.progress.step(step.kind)
        try:
            _do(deeds[step.kind], run, step)
        except BaseException:
            if made and run.activates:
                discard(run.layout.release(made), run.layout.root)
            raise
        made = "" if step.kind == "complete" else made
        spent = run.outcome.timings.get(step.kind, 0.0) + time.monotonic() - started
        run.outcome.timings[step.kind] = round(spent, 3)
        run.hooks.emit("{}:done".format(step.kind))
    return run.outcome


def _do(deed: Deed, run: Run, step: Step) -> None:
    """Do one step. On a full disk, one that may wait is noted instead."""
    try:
        deed(run, step)
    except OSError as error:
        if not step.may_wait or error.errno not in _FULL:
            raise
        where = step.subject if os.path.isabs(step.subject) else run.layout.root
        run.outcome.notes.append(
            "the disk is full ({}): '{}' waits for the next run".format(where, step.kind)
        )


def _discard(run: Run, step: Step) -> None:
    busy = uses.using(run.layout, run.before, [step.subject]).get(step.subject)
    if busy:  # since the decision
        run.outcome.notes.append("kept release {}: {} uses it".format(step.subject, uses.listed(busy)))
        return
    if os.path.basename(state.read_link(run.layout.previous)) == step.subject:
        discard(run.layout.previous)
    discard(run.path(step), run.layout.root)


def _verify(run: Run, step: Step) -> None:
    path, models = run.path(step), run.runtime.models()
    report = run.runtime.prove(path)
    kept = {key: report.get(key) for key in _KEPT}
    if models and tries_models(report.get("level")):
        kept["models"] = models
    run.checked["verify"] = dict(kept, at=run.hooks.now())
    run.checked["host"] = run.runtime.host(path)
    run.outcome.verify = report


def _complete(run: Run, step: Step) -> None:
    """Write the record: the last thing that a release gets, and what makes it one."""
    record = run.runtime.record(run, step.subject)
    record.update(run.checked)
    # Which release is older does not hang on the clock: the host's may have been years off.
    record["serial"] = 1 + max((found.serial for found in run.before.releases.values()), default=0)
    _before_record(run, step)
    write_json(os.path.join(run.path(step), RECORD), record)
    building.end(run.layout)


def _switch(run: Run, step: Step) -> None:
    """Point `previous` at what was active, then `current` at the release: a kill between loses nothing.

    The release that was active does not become the previous one when it is the wanted one, only damaged.
    """
    layout, active = run.layout, run.before.current
    keeps = bool(active) and active != step.subject and active not in run.decision.damaged
    if not run.activates and keeps and run.before.previous == step.subject:
        _swap(run, step)
        return
    if keeps:
        _point(layout.previous, active)
        run.hooks.emit("switch:previous")
    _point(layout.current, step.subject)
    if run.activates:
        discard(layout.rolled_back)


def _swap(run: Run, step: Step) -> None:
    """Go back to the previous release. Where no link can be made any more, the one that is there is moved."""
    layout = run.layout
    try:
        _point(layout.current, step.subject)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        os.replace(layout.previous, layout.current)
    run.hooks.emit("switch:current")
    _do(_previous, run, Step("previous", run.before.current, may_wait=True))


def _previous(run: Run, step: Step) -> None:
    _point(run.layout.previous, step.subject)


def _before_record(run: Run, step: Step) -> None:
    """Put on disk everything that the record will stand for: the release, and what it leads to.

    The record itself and the links are put there as they are written.
    """
    layout = run.layout
    shared = [layout.path(name) for name in sorted(run.runtime.directories)]
    run.hooks.settle([run.path(step), layout.releases, layout.root, *shared, *run.runtime.places()])


def _point(path: str, release: str) -> None:
    """Let a link of the root lead to a release, whatever stands there."""
    make_way(path)
    link(path, os.path.join("releases", release))


def _remember(run: Run, step: Step) -> None:
    link(run.layout.rolled_back, step.subject)


def _fits(run: Run, step: Step) -> None:
    run.runtime.check_return(run.before.releases[step.subject])


def _verify_again(run: Run, step: Step) -> None:
    run.outcome.verify = run.runtime.prove_again(run.before.releases[step.subject])


def _link(run: Run, step: Step) -> None:
    outside.write_command(run.layout, step.subject)


def _unlink(run: Run, step: Step) -> None:
    discard(run.layout.command(step.subject))


def _fact(run: Run, step: Step) -> None:
    found = state.release(run.layout, run.outcome.release)
    outside.write_fact(run.layout, found.record or {})


def _forget(run: Run, step: Step) -> None:
    outside.remove_fact(run.layout)


def _sweep(run: Run, step: Step) -> None:
    """Remove a directory that is empty by now; one that somebody uses stays."""
    try:
        os.rmdir(step.subject)
    except OSError:
        return


def _erase(run: Run, step: Step) -> None:
    """Remove what is ours in the root, and the root itself when nothing else is in it.

    Killed half-way, the root has its marker still, or another name, and the next removal goes on.
    """
    layout = run.layout
    discard(layout.going)
    if not os.path.isdir(layout.root):
        return
    for path in (layout.current, layout.previous, layout.rolled_back, layout.path(building.NAME)):
        discard(path)
    for name in sorted(run.before.releases):
        discard(layout.release(name), layout.root)
        run.hooks.emit("erase:release")
    left = state.strangers(layout, run.runtime.directories | run.runtime.files)
    if left:
        run.outcome.notes.append("left in {}: {}".format(layout.root, ", ".join(left)))
    elif not os.path.islink(layout.root) and not os.path.ismount(layout.root):
        with contextlib.suppress(PermissionError):  # of the directory that it is in
            discard(layout.root)
            return
    for name in sorted(set(os.listdir(layout.root)) - {*left, ".lock", os.path.basename(layout.marker)}):
        discard(layout.path(name), layout.root)
    discard(layout.marker)
    discard(layout.path(".lock"))
    if not left:
        run.outcome.notes.append("left {}, which is empty and cannot be removed".format(layout.root))


def _clear(run: Run, step: Step) -> None:
    for name in run.before.leftovers:
        discard(run.layout.path(name))


DEEDS: Dict[str, Deed] = {
    "clear": _clear,
    "complete": _complete,
    "discard": _discard,
    "erase": _erase,
    "fact": _fact,
    "fits": _fits,
    "forget": _forget,
    "link": _link,
    "remember": _remember,
    "sweep": _sweep,
    "switch": _switch,
    "unlink": _unlink,
    "verify": _verify,
    "verify-again": _verify_again,
}
