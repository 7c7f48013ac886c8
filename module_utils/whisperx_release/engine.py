"""The three things a run can be asked for, whatever the runtime: a release, the one before, none.

Each: read, decide, and unless in check mode take the lock, read and decide again, act. What is done are the
steps of the second decision; without another run in between they are those of the first.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Callable, Dict, Sequence, Tuple

from ..whisperx_common.files import open_umask
from . import decide, disk, state
from .hooks import Hooks
from .model import Decision, Layout, Outcome, Release, State
from .runtime import Runtime, Together

__all__ = ["absent", "outcome_of", "places", "present", "rolled_back"]

# The runtime of a release.
Find = Callable[[Release], Runtime]
Choice = Tuple[Decision, Runtime]
Choose = Callable[[State], Choice]


def present(layout: Layout, runtime: Runtime, hooks: Hooks, check: bool) -> Outcome:
    """Make the wanted release the active one.

    With ``check``, only say what would be done. When files have to come first, nothing is done and the
    outcome names them in ``wanted_files``. Raises Problem; then nothing is switched.
    """

    def choose(found: State) -> Choice:
        return decide.present(layout, found, runtime), runtime

    found = state.read(layout)
    decision, _runtime = choose(found)
    if decision.steps:
        disk.check_writable(places(layout, runtime))
        runtime.check(found, decision)
    acts = not (check or decision.awaits or not decision.steps)
    outcome = _act(layout, hooks, choose, activates=True) if acts else outcome_of(decision)
    return _with_followers(outcome, layout, hooks)


def rolled_back(layout: Layout, release: str, find: Find, hooks: Hooks, check: bool) -> Outcome:
    """Go back to the previous release, or to the one named; asks neither index nor plan.

    ``find`` returns the runtime of a release. Raises Problem.
    """

    def choose(found: State) -> Choice:
        target = decide.return_target(layout, found, release, state.last_rollback(layout))
        runtime = find(target)
        return decide.rolled_back(layout, found, target, runtime), runtime

    found = state.read(layout)
    decision, runtime = choose(found)
    if decision.steps:
        disk.check_writable(places(layout, runtime))
    if check and decision.has("fits"):
        # A dry run promises no more than the run does.
        runtime.check_return(found.releases[decision.release])
    acts = not check and bool(decision.steps)
    outcome = _act(layout, hooks, choose) if acts else outcome_of(decision)
    return _with_followers(outcome, layout, hooks)


def absent(layout: Layout, runtimes: Sequence[Runtime], hooks: Hooks, check: bool) -> Outcome:
    """Remove everything that this toolkit, with any of the ``runtimes``, put on the host.

    Raises Problem "env.foreign-directory".
    """
    everything = Together(runtimes)

    def choose(found: State) -> Choice:
        return decide.absent(layout, found, everything), everything

    decision, _runtime = choose(state.read(layout))
    if decision.steps:
        disk.check_writable(places(layout, everything))
    if check or not decision.steps:
        return outcome_of(decision)
    return _act(layout, hooks, choose)


def _act(layout: Layout, hooks: Hooks, choose: Choose, activates: bool = False) -> Outcome:
    """Take the lock, decide again on what is there now, and do it."""
    # Here and not above: a converged host, of which there are many, never needs these.
    from .lock import held
    from .perform import claim, perform
    from .runtime import Run

    def run(found: State, *passed: int) -> Run:
        decision, runtime = choose(found)
        told = replace(hooks, passed=passed)
        return Run(layout, runtime, told, found, decision, outcome_of(decision), activates)

    with open_umask():
        if activates:
            disk.make(layout, layout.root, "root")
        if not os.path.isdir(layout.root):
            # What an interrupted removal left outside: the root, and with it the lock, is gone already.
            return perform(run(state.read(layout)))
        disk.check_trusted(layout, {layout.root: layout.option("root")})
        hooks.emit("root")
        with held(layout) as lock:
            now = run(state.read(layout), lock)
            if activates and not now.decision.awaits:
                claim(layout, now.runtime)
                hooks.emit("marker")
                now.runtime.begin(now)
                hooks.emit("carried")
            return perform(now)


def _with_followers(outcome: Outcome, layout: Layout, hooks: Hooks) -> Outcome:
    """Return an outcome that says how what follows the release is."""
    return replace(outcome, services=list(hooks.followers.status(layout)))


def outcome_of(decision: Decision) -> Outcome:
    """Return the outcome that a decision foresees."""
    return Outcome(
        actions=decision.actions,
        before=dict(decision.before),
        after=dict(decision.after),
        release=decision.release,
        notes=list(decision.notes),
        wanted_files=list(decision.awaits),
        left=decision.left,
    )


def places(layout: Layout, runtime: Runtime) -> Dict[str, str]:
    """Return every directory that is written to, with the variable that sets it."""
    found = {layout.root: layout.option("root")}
    for path, name in ((layout.bin_dir, "bin_dir"), (layout.facts_dir, "facts_dir")):
        if path:
            found[path] = layout.option(name)
    found.update(runtime.places())
    return found
