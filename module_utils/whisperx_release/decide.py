"""Compare what is on a host with what is wanted; the answer is a list of steps. Nothing is changed here.

The run does the very steps that check mode prints, so the prediction cannot differ from the deed.
"""

from __future__ import annotations

import os
from typing import Any, Collection, List, Mapping, Optional, Sequence, Tuple

from ..whisperx_common.files import names_in
from ..whisperx_problem import Problem
from . import outside, uses
from .followers import Followed
from .model import Decision, Layout, Options, Release, State, Step
from .runtime import Proposal, Runtime
from .state import strangers

__all__ = ["absent", "present", "return_target", "rolled_back"]

_LEFT = "Removed what was left of release {}"


def present(layout: Layout, state: State, runtime: Runtime) -> Decision:
    """Decide how the wanted release becomes the active one, or lies ready beside it.

    Raises Problem "env.foreign-command", "env.foreign-fact", and what the runtime raises.
    """
    options = runtime.common
    proposal = runtime.propose(state)
    outside.check(layout, proposal.scripts)
    # A release whose record cannot be read still runs: it goes when another one is active.
    late = [name for name in state.half_built if name == state.runs != proposal.name]
    steps = _clearing(state)
    steps += _removals(_LEFT, [name for name in state.half_built if name not in late])
    steps += proposal.prepare
    if options.activate:
        active = state.current == proposal.name
        if not active:
            steps.append(_switch(state, proposal.name))
        steady = proposal.ready if active and not proposal.changes_record else None
        steps += _outside(layout, proposal.scripts, steady.record if steady else None)
        steps += runtime.hooks.followers.present(layout, state, _followed(proposal, runtime, not active))
        steps += _removals(_LEFT, late)
        gone = _surplus(state, options, proposal.name, proposal.damaged)
    else:
        gone = [name for name in sorted(proposal.damaged) if name != state.current]
    busy = uses.using(layout, state, gone) if gone else {}
    gone = [name for name in gone if name not in busy]
    steps += _removals("Removed release {}", gone)
    steps += runtime.finish(state, steps, gone)
    notes = [_stays(name, found) for name, found in sorted(busy.items())]
    return _decision(proposal, steps, [*notes, *outside.elsewhere(layout), *runtime.hooks.followers.notes()])


def _followed(proposal: Proposal, runtime: Runtime, moves: bool) -> Followed:
    return Followed(proposal.name, proposal.commands, proposal.device, runtime.kind, moves)


def return_target(layout: Layout, state: State, release: str, last: str) -> Release:
    """Return the release to go back to: ``release``, or the previous one when it is "".

    ``last`` is the one that the last rollback went to: going back twice must not go forth again. Raises
    Problem "env.no-previous" when there is nothing to go back to.
    """
    current = state.get(state.current)
    target = _target(state, release, current, last)
    if target is None:
        raise _nothing_to_return_to(layout, state, release)
    return target


def rolled_back(layout: Layout, state: State, target: Release, runtime: Runtime) -> Decision:
    """Decide how to go back to ``target``, a release of ``runtime``. Raises Problem "env.foreign-command"."""
    outside.check(layout, target.scripts)
    current = state.get(state.current)
    moves = current is None or target.name != current.name
    further = runtime.returned(state, target)
    steps = _clearing(state)
    if moves or further:
        steps.append(Step("fits", target.name))
    level = runtime.common.rollback_verify
    if moves and level != "none":
        steps.append(Step("verify-again", target.name, "Verified {} ({})".format(target.name, level)))
    if moves:
        # Noted first, so that a run that is killed in between is not undone by the next. A full disk may
        # keep the note, and what users read of the release, from being written; it never keeps the switch.
        steps.append(Step("remember", target.name, may_wait=True))
        steps.append(_switch(state, target.name))
    steps += _outside(layout, target.scripts, target.record, may_wait=True)
    followers = runtime.hooks.followers
    # Before what is left to who called: a run ends there.
    steps += followers.present(layout, state, _returned(target, moves))
    steps += further
    before = current.versions if current else {}
    notes = tuple(followers.notes())
    return Decision(tuple(steps), target.name, before, target.versions, notes)


def _returned(target: Release, moves: bool) -> Followed:
    commands = tuple(sorted(names_in(os.path.join(target.path, "launch"))))
    kind = str(target.value("runtime", "venv"))
    return Followed(target.name, commands, str(target.value("device")), kind, moves, back=True)


def absent(layout: Layout, state: State, runtime: Runtime) -> Decision:
    """Decide how to remove everything that is ours."""
    current = state.get(state.current)
    first, last = runtime.leave(state)
    steps = [*runtime.hooks.followers.absent(layout, state), *first]
    steps += _unlinks(layout, outside.ours(layout))
    if outside.has_fact(layout):
        steps.append(Step("forget", layout.fact, "Removed {}".format(layout.fact)))
    steps += [Step("sweep", path, "Removed {}".format(path)) for path in outside.emptied(layout)]
    if state.exists or state.going:
        others = strangers(layout, runtime.directories | runtime.files)
        sentence = "Removed what this toolkit made in {}" if others else "Removed {}"
        steps.append(Step("erase", layout.root, sentence.format(layout.root)))
    steps += last
    before = current.versions if current else {}
    left = (*_still(layout, state), *_left(layout, state, steps)) if state.exists else ()
    return Decision(tuple(steps), "", before, {}, notes=left)


def _still(layout: Layout, state: State) -> Tuple[str, ...]:
    """Return what a removal leaves running without its files."""
    busy = uses.using(layout, state, tuple(state.releases)) if state.releases else {}
    found = {process.pid: process for processes in busy.values() for process in processes}
    if not found:
        return ()
    return ("left {}, which ran from here: stop it".format(uses.listed(list(found.values()))),)


def _left(layout: Layout, state: State, steps: Sequence[Step]) -> Tuple[str, ...]:
    """Return what a removal leaves, each with why: what other programs may use, or only others can remove."""
    releases = state.releases.values()
    packages = sorted({name for release in releases for name in release.value("system_packages", ())})
    engines = sorted({release.value("engine") for release in releases} - {""})
    cache = [layout.shared_cache] if layout.shared_cache and os.path.isdir(layout.shared_cache) else []
    kept = (
        ("left the distribution's packages {}, which other programs may use by now", packages),
        ("left {}, which other programs may use by now", engines),
        ("left the downloads in {}, which other environments may use", cache),
        ("left the images {} in the store of their engine: remove them with it", _images(releases, steps)),
    )
    return tuple(sentence.format(", ".join(names)) for sentence, names in kept if names)


def _images(releases: Collection[Release], steps: Sequence[Step]) -> List[str]:
    """Return the images that no step removes: each by itself, or podman's with the store they lie in."""
    subjects = {step.subject for step in steps}
    stores = {"podman"} if any(step.kind == "remove-store" for step in steps) else set()
    images = {release.value("image") for release in releases if release.value("engine") not in stores}
    return sorted(images - {""} - subjects)


def _stays(name: str, processes: Sequence[uses.Process]) -> str:
    return "kept release {}, which {} still uses".format(name, uses.listed(processes))


def _decision(proposal: Proposal, steps: List[Step], stays: Sequence[str]) -> Decision:
    notes = ["{}: {}".format(name, "; ".join(why[:3])) for name, why in sorted(proposal.damaged.items())]
    return Decision(
        (*proposal.before, *steps),
        proposal.name,
        proposal.old,
        proposal.new if steps else proposal.old,
        (*notes, *stays, *proposal.notes),
        frozenset(proposal.damaged),
        proposal.awaits,
    )


def _clearing(state: State) -> List[Step]:
    """Return the removal of what killed runs left beside our files: not worth a line, and it may wait."""
    return [Step("clear", may_wait=True)] if state.leftovers else []


def _removals(sentence: str, names: Collection[str]) -> List[Step]:
    return [Step("discard", name, sentence.format(name)) for name in names]


def _unlinks(layout: Layout, names: Collection[str]) -> List[Step]:
    return [Step("unlink", name, "Removed {}".format(layout.command(name))) for name in names]


def _switch(state: State, name: str) -> Step:
    return Step("switch", name, "Switched from {} to {}".format(state.current or "nothing", name))


def _outside(
    layout: Layout, scripts: Sequence[str], record: Optional[Mapping[str, Any]], may_wait: bool = False
) -> List[Step]:
    """Return the steps on links and fact file; ``record`` is None while it is still to be written."""
    steps = [
        Step("link", name, "Linked {}".format(layout.command(name)), may_wait=may_wait)
        for name in outside.wrong_commands(layout, scripts)
    ]
    steps += _unlinks(layout, [name for name in outside.ours(layout) if name not in scripts])
    if layout.fact and (record is None or not outside.fact_is(layout, record)):
        steps.append(Step("fact", layout.fact, "Wrote {}".format(layout.fact), may_wait=may_wait))
    return steps


def _surplus(state: State, options: Options, name: str, damaged: Collection[str]) -> List[str]:
    """Return the releases to remove once ``name`` is active: damaged ones, the oldest beyond ``keep``."""
    previous = state.previous if name == state.current else state.current
    if previous in damaged or not previous:
        previous = state.previous if state.previous not in damaged else ""
    protected = {name, previous}
    others = [
        release
        for release in state.releases.values()
        if release.complete and release.name not in protected and release.name not in damaged
    ]
    others.sort(key=_age, reverse=True)
    room = max(0, options.keep - len(protected - {""}))
    return sorted({release.name for release in others[room:]} | (set(damaged) - {name}))


def _target(state: State, release: str, current: Optional[Release], last: str) -> Optional[Release]:
    """Return the release to go back to; the active one when a rollback has gone to it already."""
    if release:
        return state.get(release)
    if current and last == current.name:
        return current
    previous = state.previous if state.previous != state.current else ""
    return state.get(previous) or _newest_other(state, current)


def _newest_other(state: State, current: Optional[Release]) -> Optional[Release]:
    """Return the newest complete release but the active one; serves when a kill lost the link to it."""
    others = [
        release
        for release in state.releases.values()
        if release.complete and (current is None or release.name != current.name)
    ]
    return max(others, key=_age, default=None)


def _age(release: Release) -> Tuple[int, str, str]:
    """Return what orders releases by age. Those that an earlier version made have their date alone."""
    return release.serial, str(release.value("created")), release.name


def _nothing_to_return_to(layout: Layout, state: State, release: str) -> Problem:
    complete = sorted(name for name, found in state.releases.items() if found.complete)
    return Problem(
        "env.no-previous",
        "no release {}".format("'{}'".format(release) if release else "other than the current one"),
        layout.releases,
        "a complete release to go back to (there: {})".format(", ".join(complete) or "none"),
        "Run site.yml with the older lock instead; it builds that release again.",
    )
