"""Compare what is on a host with what is wanted; the answer is a list of steps. Nothing is changed here.

A step carries the sentence that tells it. The run executes the very steps that check mode prints, so the
prediction cannot differ from the deed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

from ..whisperx_problem import Problem
from ..whisperx_release import outside
from ..whisperx_release.model import Layout, Release, State
from . import cache, integrity, launch
from .model import Options, Wanted

__all__ = ["LEVELS", "Decision", "Step", "absent", "present", "rolled_back"]

LEVELS = ("import", "kernels", "pipeline")


@dataclass(frozen=True)
class Step:
    """One deed: its kind (a key of perform.DEEDS), what it is done to, the sentence that tells it."""

    kind: str
    subject: str = ""
    sentence: str = ""


@dataclass(frozen=True)
class Decision:
    """What to do. ``release`` is the one in use afterwards; ``before``/``after`` are package versions."""

    steps: Tuple[Step, ...]
    release: str
    before: Dict[str, str]
    after: Dict[str, str]
    notes: Tuple[str, ...] = ()

    @property
    def actions(self) -> List[str]:
        """The sentences of the steps."""
        return [step.sentence for step in self.steps if step.sentence]

    @property
    def edited(self) -> Tuple[str, ...]:
        """The packages whose downloads are discarded."""
        return tuple(step.subject for step in self.steps if step.kind == "refetch")

    @property
    def builds(self) -> bool:
        """Whether packages are to be installed."""
        return any(step.kind == "build" for step in self.steps)


def present(layout: Layout, state: State, wanted: Wanted, options: Options) -> Decision:
    """Decide how the wanted environment comes to be the current one.

    Reads the releases it decides about, to see whether they are whole. Raises Problem "env.foreign-command".
    """
    outside.check_commands(layout, wanted.scripts)
    current = state.get(state.current)
    damaged = {name: hurt for name, hurt in _damage(state, wanted).items() if hurt}
    fits = _fitting(state, wanted, damaged)
    name = fits.name if fits else _free_name(state, wanted)
    steps = [
        Step("discard", half, "Removed what was left of release {}".format(half)) for half in state.half_built
    ]
    if not options.activate:
        steps += _refetched(layout, wanted, options) if fits is None else []
        return _beside(state, wanted, options, steps, name, fits, damaged)
    if fits is None:
        steps += _refetched(layout, wanted, options)
    if current is None or name != current.name:
        steps += _arrive(wanted, options, name, fits, current, damaged)
    else:
        steps += _stay(wanted, options, current)
    steps += _outside(layout, wanted.scripts, current if current and current.name == name else None)
    removed = _surplus(state, options, name, damaged)
    steps += [Step("discard", old, "Removed release {}".format(old)) for old in removed]
    if steps:
        steps.append(Step("tidy"))
    before = integrity.packages(current.site_packages) if current else {}
    notes = tuple("{}: {}".format(hurt, "; ".join(damaged[hurt][:3])) for hurt in sorted(damaged))
    return Decision(tuple(steps), name, before, wanted.lock.versions if steps else before, notes)


def rolled_back(layout: Layout, state: State, release: str, last: Optional[Dict[str, str]]) -> Decision:
    """Decide how to go back to ``release``, or to the previous one when it is "".

    ``last`` is what the last rollback noted: going back twice must not go forth again. Raises Problem
    "env.no-previous" when there is nothing to go back to.
    """
    current = state.get(state.current)
    if not release and current and last and last.get("to") == current.name:
        steps = tuple(_outside(layout, current.value("scripts", []), current))
        versions = dict(current.value("versions", {}))
        return Decision(steps, current.name, versions, versions)
    previous = state.previous if state.previous != state.current else ""
    target = state.get(release or previous) or (None if release else _newest_other(state, current))
    if target is None:
        raise _nothing_to_return_to(layout, state, release)
    steps_: List[Step] = []
    if current is None or target.name != current.name:
        steps_ = [
            Step("fits", target.name),
            Step("remember", current.name if current else ""),
            Step("switch", target.name, _switched(current, target.name)),
        ]
    same = target if current and target.name == current.name else None
    steps_ += _outside(layout, target.value("scripts", []), same)
    before = dict(current.value("versions", {})) if current else {}
    return Decision(tuple(steps_), target.name, before, dict(target.value("versions", {})))


def absent(layout: Layout, state: State) -> Decision:
    """Decide how to remove everything that is ours."""
    current = state.get(state.current)
    steps = [Step("unlink", name, "Removed {}".format(layout.command(name))) for name in outside.ours(layout)]
    if outside.remove_fact(layout, really=False):
        steps.append(Step("forget", layout.fact, "Removed {}".format(layout.fact)))
    if state.exists:
        steps.append(Step("erase", layout.root, "Removed {}".format(layout.root)))
    before = integrity.packages(current.site_packages) if current else {}
    return Decision(tuple(steps), "", before, {})


def _refetched(layout: Layout, wanted: Wanted, options: Options) -> List[Step]:
    """Return the steps that discard what was edited in the download cache since it was unpacked."""
    names = [package.name for package in wanted.lock.packages]
    sentence = "Discarded the download of {}, which is not as it was unpacked: {}"
    return [
        Step("refetch", name, sentence.format(name, wrong))
        for name, wrong in sorted(cache.edited(layout, names, options.hashes).items())
    ]


def _damage(state: State, wanted: Wanted) -> Dict[str, List[str]]:
    """Return what is wrong with every release that could be the wanted one."""
    return {
        name: integrity.damage(release)
        for name, release in state.releases.items()
        if release.complete and release.value("wanted") == wanted.digest
    }


def _fitting(state: State, wanted: Wanted, damaged: Dict[str, List[str]]) -> Optional[Release]:
    """Return a whole release that is the wanted one, the current one first."""
    whole = [
        release
        for release in state.releases.values()
        if release.complete and release.value("wanted") == wanted.digest and release.name not in damaged
    ]
    return min(whole, key=lambda release: (release.name != state.current, release.name), default=None)


def _free_name(state: State, wanted: Wanted) -> str:
    """Return the wanted name, with a number when a damaged release has it."""
    name, number = wanted.name, 1
    while name in state.releases and state.releases[name].complete:
        number += 1
        name = "{}.{}".format(wanted.name, number)
    return name


def _arrive(
    wanted: Wanted,
    options: Options,
    name: str,
    fits: Optional[Release],
    current: Optional[Release],
    damaged: Dict[str, List[str]],
) -> List[Step]:
    """Return the steps to another release than the current one."""
    steps: List[Step] = []
    if fits is None:
        if damaged:
            steps += [Step("distrust", hurt) for hurt in sorted(damaged)]
        told = "Built release {} ({}, Python {}, packages: {})".format(
            name, wanted.device, wanted.plan.get("python"), len(wanted.lock.packages)
        )
        steps.append(Step("build", name, told))
    steps.append(Step("gate", name, "Checked the shared objects of {} against this host".format(name)))
    steps.append(Step("verify", name, _verified(wanted, options, name)))
    steps.append(Step("complete", name))
    steps.append(Step("switch", name, _switched(current, name)))
    return steps


def _beside(
    state: State,
    wanted: Wanted,
    options: Options,
    steps: List[Step],
    name: str,
    fits: Optional[Release],
    damaged: Dict[str, List[str]],
) -> Decision:
    """Decide how a release comes to lie ready beside the others: links, fact and other releases stay.

    For images of several profiles: which of them is put to use is known where the image boots.
    """
    if fits is not None:
        steps += _stay(wanted, options, fits)
    else:
        steps += _arrive(wanted, options, name, None, None, damaged)[:-1]
    gone = [hurt for hurt in sorted(damaged) if hurt != state.current]
    steps += [Step("discard", old, "Removed release {}".format(old)) for old in gone]
    before = integrity.packages(fits.site_packages) if fits else {}
    return Decision(tuple(steps), name, before, wanted.lock.versions)


def _stay(wanted: Wanted, options: Options, current: Release) -> List[Step]:
    """Return the steps on a release that is the wanted one and stays where it is."""
    steps: List[Step] = []
    if launch.stale(wanted, current.path, current.site_packages):
        steps.append(Step("launch", current.name, "Wrote the launch scripts of {}".format(current.name)))
    level = str((current.value("verify", {}) or {}).get("level", ""))
    known = LEVELS.index(level) if level in LEVELS else -1
    if known < LEVELS.index(options.verify_level):
        steps.append(Step("verify", current.name, _verified(wanted, options, current.name)))
        steps.append(Step("complete", current.name))
    return steps


def _outside(layout: Layout, scripts: Sequence[str], staying: Optional[Release]) -> List[Step]:
    """Return the steps on links and fact file; ``staying`` is the release that was and stays current."""
    steps = [
        Step("link", name, "Linked {}".format(layout.command(name)))
        for name in outside.wrong_commands(layout, scripts)
    ]
    steps += [
        Step("unlink", name, "Removed {}".format(layout.command(name)))
        for name in outside.ours(layout)
        if name not in scripts
    ]
    if layout.fact and (staying is None or not outside.fact_is(layout, staying.record or {})):
        steps.append(Step("fact", layout.fact, "Wrote {}".format(layout.fact)))
    return steps


def _surplus(state: State, options: Options, name: str, damaged: Dict[str, List[str]]) -> List[str]:
    """Return the releases to remove once ``name`` is current: damaged ones, the oldest beyond ``keep``."""
    previous = state.previous if name == state.current else state.current
    if previous in damaged or not previous:
        previous = state.previous if state.previous not in damaged else ""
    protected = {name, previous}
    others = [
        release
        for release in state.releases.values()
        if release.complete and release.name not in protected and release.name not in damaged
    ]
    others.sort(key=lambda release: (str(release.value("created")), release.name), reverse=True)
    room = max(0, options.keep - len(protected - {""}))
    surplus = {release.name for release in others[room:]} | (set(damaged) - {name})
    return sorted(surplus)


def _verified(wanted: Wanted, options: Options, name: str) -> str:
    return "Verified {} ({}, {})".format(name, options.verify_level, wanted.device)


def _switched(current: Optional[Release], name: str) -> str:
    return "Switched from {} to {}".format(current.name if current else "nothing", name)


def _newest_other(state: State, current: Optional[Release]) -> Optional[Release]:
    """Return the newest complete release but the current one; serves when a kill lost the link to it."""
    others = [
        release
        for release in state.releases.values()
        if release.complete and (current is None or release.name != current.name)
    ]
    return max(others, key=lambda release: (str(release.value("created")), release.name), default=None)


def _nothing_to_return_to(layout: Layout, state: State, release: str) -> Problem:
    complete = sorted(name for name, found in state.releases.items() if found.complete)
    return Problem(
        "env.no-previous",
        "no release {}".format("'{}'".format(release) if release else "other than the current one"),
        layout.path("releases"),
        "a complete release to go back to (there: {})".format(", ".join(complete) or "none"),
        "Run site.yml with the older lock instead; it builds that release anew.",
    )
