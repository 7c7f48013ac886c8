"""What a runtime adds to the engine: which release is wanted, what makes it ready, the deeds for that.

A runtime is a subclass of `Runtime` in a package of its own. The engine does what is true of releases as
such: the lock, reading the state again under it, links, facts, rollback, pruning, records, check mode.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Callable, Dict, FrozenSet, Mapping, Optional, Sequence, Tuple

from . import host
from .hooks import Hooks
from .model import LEVELS, Decision, Layout, Options, Outcome, Release, State, Step, tries_models

__all__ = ["Deed", "Proposal", "Run", "Runtime", "Together"]


@dataclass(frozen=True)
class Proposal:
    """How the wanted release becomes ready. ``name`` is its own, ``scripts`` are the commands it has.

    ``before`` are steps that have to come first of all, ``prepare`` those that make it ready to be activated;
    none when it is. ``ready`` is the release if it is there and whole. ``old`` and ``new`` are versions of
    packages, ``new`` once it is active. ``damaged`` maps releases of the same contents that are no longer
    whole to what is wrong. ``awaits`` are files that have to come to the host first. ``notes`` are sentences
    that the user has to read before it is too late. ``commands`` are all that it has launch scripts for,
    ``device`` is what it runs on.
    """

    name: str
    scripts: Tuple[str, ...]
    ready: Optional[Release] = None
    before: Tuple[Step, ...] = ()
    prepare: Tuple[Step, ...] = ()
    old: Mapping[str, str] = field(default_factory=dict)
    new: Mapping[str, str] = field(default_factory=dict)
    damaged: Mapping[str, Sequence[str]] = field(default_factory=dict)
    awaits: Tuple[Dict[str, str], ...] = ()
    notes: Tuple[str, ...] = ()
    commands: Tuple[str, ...] = ()
    device: str = ""

    @property
    def changes_record(self) -> bool:
        """Whether the record of the release will be another one."""
        return any(step.kind == "complete" for step in self.prepare)


@dataclass
class Run:
    """One run on one root: what was there when it began, what is decided, what came of it so far.

    ``activates`` tells a run that makes a release ready from a rollback or a removal. ``checked`` is what the
    record of the release will say of its checks.
    """

    layout: Layout
    runtime: Runtime
    hooks: Hooks
    before: State
    decision: Decision
    outcome: Outcome
    activates: bool = False
    checked: Dict[str, Any] = field(default_factory=dict)

    def path(self, step: Step) -> str:
        """Return the path of the release that a step is about."""
        return self.layout.release(step.subject)


Deed = Callable[[Run, Step], None]


class Runtime:
    """The part of a runtime that the engine calls, with what is true of most. All methods may raise Problem.

    ``directories`` and ``files`` are the names of what it keeps in the root beside the engine's own.
    """

    # What the record of its releases says it is.
    kind = "venv"
    directories: FrozenSet[str] = frozenset()
    files: FrozenSet[str] = frozenset()

    def __init__(self, layout: Layout, options: Options, hooks: Hooks) -> None:
        self.layout = layout
        self.common = options
        self.hooks = hooks

    def places(self) -> Dict[str, str]:
        """Return further directories that are written to, each with the variable that sets it."""
        return {}

    def propose(self, state: State) -> Proposal:
        """Return how the wanted release becomes ready; reads what it needs, changes nothing."""
        raise NotImplementedError

    def check(self, state: State, decision: Decision) -> None:
        """Raise Problem when the host cannot take the steps, before the first of them: no room, for one."""

    def finish(self, state: State, steps: Sequence[Step], gone: Sequence[str]) -> Sequence[Step]:
        """Return the steps after all others; ``steps`` are those, ``gone`` the releases that they remove."""
        return ()

    def begin(self, run: Run) -> None:
        """Get ready for the steps, under the lock: nothing that is active changes."""

    def deeds(self) -> Mapping[str, Deed]:
        """Return what its own kinds of steps do."""
        return {}

    def models(self) -> str:
        """Return the name of the set of models that the programs of the wanted release find, "" for none."""
        return ""

    def is_verified(self, release: Release) -> bool:
        """Return whether a release was verified as far as is asked for, and with the models of now."""
        level = self.common.verify_level
        if release.level not in LEVELS or LEVELS.index(release.level) < LEVELS.index(level):
            return False
        return not tries_models(level) or self.models() in ("", release.models)

    def prove(self, path: str) -> Dict[str, Any]:
        """Verify the release at ``path``; return the report. Raises Problem when it does not work."""
        raise NotImplementedError

    def host(self, path: str) -> Dict[str, Any]:
        """Return what of this host the record of a release keeps."""
        return asdict(host.here())

    def record(self, run: Run, name: str) -> Dict[str, Any]:
        """Return the record of a release that was verified: the one it has, or its first."""
        raise NotImplementedError

    def check_return(self, release: Release) -> None:
        """Raise Problem when a release cannot be gone back to: damaged, or the host has changed."""

    def prove_again(self, release: Release) -> Dict[str, Any]:
        """Verify a release before it is gone back to; return the report. Raises Problem if it fails."""
        raise NotImplementedError

    def returned(self, state: State, target: Release) -> Sequence[Step]:
        """Return the steps after a rollback to ``target``."""
        return ()

    def leave(self, state: State) -> Tuple[Sequence[Step], Sequence[Step]]:
        """Return the steps of a removal before everything else, and those after it."""
        return (), ()


class Together(Runtime):
    """Several runtimes in one, to remove what all of them have left."""

    def __init__(self, runtimes: Sequence[Runtime]) -> None:
        first = runtimes[0]
        super().__init__(first.layout, first.common, first.hooks)
        self.runtimes = runtimes
        self.directories = frozenset(name for one in runtimes for name in one.directories)
        self.files = frozenset(name for one in runtimes for name in one.files)

    def places(self) -> Dict[str, str]:
        """Return the directories of all of them."""
        return {path: option for one in self.runtimes for path, option in one.places().items()}

    def deeds(self) -> Mapping[str, Deed]:
        """Return the deeds of all of them."""
        return {kind: deed for one in self.runtimes for kind, deed in one.deeds().items()}

    def leave(self, state: State) -> Tuple[Sequence[Step], Sequence[Step]]:
        """Return the steps of all of them."""
        parts = [one.leave(state) for one in self.runtimes]
        return [step for first, _last in parts for step in first], [
            step for _first, last in parts for step in last
        ]
