"""The three things a run can be asked for: an environment, the one before, none.

Each: read, decide, and unless in check mode act, under the root's lock.
"""

from __future__ import annotations

import os
from typing import Callable, Dict, Optional

from ..whisperx_common.files import open_umask, read_json, write_json
from ..whisperx_release import disk, state
from ..whisperx_release.hooks import Hooks
from ..whisperx_release.lock import held
from ..whisperx_release.model import SCHEMA, Layout, Outcome, State
from . import decide, room, shelf, supplies
from .decide import Decision
from .model import Options, Wanted

__all__ = ["absent", "present", "rolled_back"]

Decide = Callable[[State], Decision]


def present(layout: Layout, wanted: Wanted, options: Options, hooks: Hooks, check: bool) -> Outcome:
    """Make the wanted environment the current one.

    With ``check``, only say what would be done. When files have to travel first, nothing is done and the
    outcome names them in ``wanted_files``. Raises Problem; then nothing is switched.
    """

    def choose(found: State) -> Decision:
        return decide.present(layout, found, wanted, options)

    found = state.read(layout)
    decision = choose(found)
    if decision.steps:
        disk.check_writable(_touched(layout))
    if decision.builds:
        room.check_room(wanted, found, layout, whole=shelf.from_wheelhouse(wanted, options))
        outcome = _outcome(decision)
        outcome.wanted_files = supplies.missing(layout, wanted, options, decision.edited)
        if check or outcome.wanted_files:
            return outcome
    if check or not decision.steps:
        return _outcome(decision)
    return _act(layout, options, hooks, choose, wanted)


def rolled_back(layout: Layout, release: str, options: Options, hooks: Hooks, check: bool) -> Outcome:
    """Go back to the previous release, or to the one named; asks neither index nor plan. Raises Problem."""

    def choose(found: State) -> Decision:
        return decide.rolled_back(layout, found, release, read_json(layout.rolled_back))

    return _plain(layout, options, hooks, choose, check)


def absent(layout: Layout, options: Options, hooks: Hooks, check: bool) -> Outcome:
    """Remove everything this toolkit put on the host. Raises Problem "env.foreign-directory"."""

    def choose(found: State) -> Decision:
        return decide.absent(layout, found)

    return _plain(layout, options, hooks, choose, check)


def _plain(layout: Layout, options: Options, hooks: Hooks, choose: Decide, check: bool) -> Outcome:
    decision = choose(state.read(layout))
    if decision.steps:
        disk.check_writable(_touched(layout))
    if check or not decision.steps:
        _foresee(layout, decision)
        return _outcome(decision)
    return _act(layout, options, hooks, choose, None)


def _foresee(layout: Layout, decision: Decision) -> None:
    """Raise what the run would raise before its first change: a dry run promises no more than it does."""
    for step in decision.steps:
        if step.kind == "fits":
            from .fit import check_fit

            check_fit(state.read(layout).releases[step.subject])


def _act(layout: Layout, options: Options, hooks: Hooks, choose: Decide, wanted: Optional[Wanted]) -> Outcome:
    """Take the lock, decide again on what is there now, and do it."""
    # Here and not above: a converged host, of which there are many, never needs these.
    from .perform import Run, perform, take

    with open_umask():
        if wanted is not None:
            os.makedirs(layout.root, exist_ok=True)
        if not os.path.isdir(layout.root):
            return _without_root(layout, options, hooks, choose)
        hooks.emit("root")
        with held(layout):
            found = state.read(layout)
            decision = choose(found)
            run = Run(layout, options, hooks, found, wanted, _outcome(decision))
            if wanted is not None:
                _claim(layout)
                hooks.emit("marker")
                for item in options.carried:
                    supplies.carry(layout, item)
                take(run, decision)
                hooks.emit("carried")
            perform(run, decision)
            return run.outcome


def _without_root(layout: Layout, options: Options, hooks: Hooks, choose: Decide) -> Outcome:
    """Remove what an interrupted removal left outside: the root, and with it the lock, is gone already."""
    from .perform import Run, perform

    decision = choose(state.read(layout))
    run = Run(layout, options, hooks, State(exists=False), None, _outcome(decision))
    perform(run, decision)
    return run.outcome


def _claim(layout: Layout) -> None:
    """Mark the root as ours."""
    if read_json(layout.marker) is None:
        write_json(layout.marker, {"schema": SCHEMA, "made_by": "whisperx-fleet"})


def _outcome(decision: Decision) -> Outcome:
    return Outcome(
        actions=decision.actions,
        before=decision.before,
        after=decision.after,
        release=decision.release,
        notes=list(decision.notes),
    )


def _touched(layout: Layout) -> Dict[str, str]:
    """Return every directory that is written to, with the option that sets it."""
    paths = {layout.root: "whisperx_venv_root"}
    if layout.shared_cache:
        paths[layout.shared_cache] = "whisperx_venv_cache"
    if layout.bin_dir:
        paths[layout.bin_dir] = "whisperx_venv_bin_dir"
    if layout.facts_dir:
        paths[layout.facts_dir] = "whisperx_venv_facts_dir"
    return paths
