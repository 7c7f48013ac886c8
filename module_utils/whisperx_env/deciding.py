"""The half of a managed environment that decides: what is wanted, what makes it ready, whether it fits.

Apart from venv.py, which acts: the assessment, sent to every host in every run, is a sixth smaller without.
"""

from __future__ import annotations

import os
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from ..whisperx_common.files import names_in
from ..whisperx_common.models import STORE, USUAL, active
from ..whisperx_common.standalone import Archive
from ..whisperx_release.hooks import Hooks
from ..whisperx_release.model import Decision, Layout, Release, State, Step
from ..whisperx_release.runtime import Proposal, Runtime
from . import additions, cache, integrity, launch, pythons, room, shelf, supplies
from .model import Options, Wanted
from .pythons import Tree

__all__ = ["Deciding"]


class Deciding(Runtime):
    """``wanted`` is None when nothing is to be built."""

    directories = frozenset(("cache", "files", "index", pythons.DIRECTORY))

    def __init__(
        self, layout: Layout, options: Options, hooks: Hooks, wanted: Optional[Wanted] = None
    ) -> None:
        super().__init__(layout, options, hooks)
        self.options = options
        self._wanted = wanted
        # The managed Python that a release is built upon.
        self._tree: Optional[Tree] = None

    @property
    def wanted(self) -> Wanted:
        """The environment to be."""
        if self._wanted is None:
            raise AssertionError("this step needs a plan")
        return self._wanted

    def places(self) -> Dict[str, str]:
        """Return the download cache, where it is not the root's own."""
        cache = self.layout.shared_cache
        return {cache: self.layout.option("cache")} if cache else {}

    def propose(self, state: State) -> Proposal:
        """Return how the wanted environment becomes ready; looks whether the releases are whole."""
        wanted, current = self.wanted, state.get(state.current)
        damaged = {name: found for name, found in self._damage(state).items() if found}
        ready = self._fitting(state, damaged)
        name = ready.name if ready else _free_name(state, wanted)
        stays = ready is not None and (not self.options.activate or ready.name == state.current)
        edited = self._edited() if ready is None else {}
        unpacks = self._choose_python(state) if ready is None else []
        prepare = self._stay(ready) if ready and stays else self._arrive(name, ready, damaged)
        prepare = [*unpacks, *prepare]
        shown = current if self.options.activate else ready
        builds = any(step.kind == "build" for step in prepare)
        return Proposal(
            name=name,
            scripts=wanted.scripts,
            ready=ready,
            prepare=(*_refetched(edited), *prepare),
            old=_contents(shown) if shown else {},
            new={**_python(wanted.archive), **wanted.lock.versions},
            damaged=damaged,
            notes=tuple(self._lost(current, name)),
            commands=tuple(sorted({*launch.commands(wanted), *_launchers(ready)})),
            device=wanted.device,
            awaits=self._awaits(edited, bool(unpacks)) if builds else (),
        )

    def _awaits(self, edited: Mapping[str, str], unpacks: bool) -> Tuple[Dict[str, str], ...]:
        return tuple(supplies.missing(self.layout, self.wanted, self.options, edited, unpacks))

    def _choose_python(self, state: State) -> List[Step]:
        """Choose the managed Python of a build; return the step that unpacks it, none if it is there."""
        archive = self.wanted.archive
        if archive is None:
            return []
        needed = pythons.used(self.layout, state.releases.values())
        self._tree, whole = pythons.find(self.layout, archive, needed)
        sentence = "Installed managed Python {} (build {})".format(archive.version, archive.build)
        return [] if whole else [Step("python", self._tree.name, sentence)]

    def _lost(self, current: Optional[Release], name: str) -> List[str]:
        """Say what was installed by hand into the active release and will not be in ``name``."""
        if current is None or not current.complete or current.name == name or not self.options.activate:
            return []
        return additions.lost(current, self.wanted.lock.versions)

    def check(self, state: State, decision: Decision) -> None:
        """Raise Problem "env.disk-space" when there is no room for a build."""
        if decision.has("build"):
            whole = shelf.from_wheelhouse(self.wanted, self.options)
            room.check_room(self.wanted, state, self.layout, whole=whole)

    def finish(self, state: State, steps: Sequence[Step], gone: Sequence[str]) -> Sequence[Step]:
        """Clean the download cache after anything was done; remove Pythons that nothing stands on."""
        if not self.options.activate:
            return []
        left = {step.subject for step in steps if step.kind == "discard"}
        stay = [release for name, release in state.releases.items() if name not in left]
        needed = pythons.used(self.layout, stay) | ({self._tree.name} if self._tree else set())
        last = [
            Step("prune-python", name, "Removed managed Python {}".format(version or name[:12]))
            for name, version in pythons.surplus(self.layout, needed)
        ]
        return [*last, Step("tidy")] if steps or last else []

    def models(self) -> str:
        """Return the active set of placed models, looked for as the programs of the environment do."""
        own = self.wanted.environment.get(STORE)
        return active([own] if own else [self.layout.path("models"), USUAL])

    def _edited(self) -> Dict[str, str]:
        """Return what is wrong with the download of every locked package that is not as it was unpacked."""
        return dict(cache.edited(self.layout, sorted(self.wanted.lock.versions), self.options.hashes))

    def _damage(self, state: State) -> Dict[str, List[str]]:
        """Return what is wrong with every release that could be the wanted one."""
        return {
            name: integrity.damage(release)
            for name, release in state.releases.items()
            if release.complete and release.value("wanted") == self.wanted.digest
        }

    def _fitting(self, state: State, damaged: Mapping[str, List[str]]) -> Optional[Release]:
        """Return a whole release that is the wanted one, the active one first."""
        whole = [
            release
            for release in state.releases.values()
            if release.complete
            and release.value("wanted") == self.wanted.digest
            and release.name not in damaged
        ]
        return min(whole, key=lambda release: (release.name != state.current, release.name), default=None)

    def _arrive(
        self, name: str, ready: Optional[Release], damaged: Mapping[str, Sequence[str]]
    ) -> List[Step]:
        """Return the steps until another release than the active one can be activated."""
        wanted, steps = self.wanted, []
        if ready is None:
            steps += [Step("distrust", other) for other in sorted(damaged)]
            archive = wanted.archive
            python = "{} managed".format(archive.version) if archive else wanted.plan.get("python")
            sentence = "Built release {} ({}, Python {}, packages: {})".format(
                name, wanted.device, python, len(wanted.lock.packages)
            )
            steps.append(Step("build", name, sentence))
        steps.append(Step("gate", name, "Checked the shared objects of {} against this host".format(name)))
        return steps + self._verification(name)

    def _stay(self, release: Release) -> List[Step]:
        """Return the steps on a release that is the wanted one and stays where it is."""
        steps: List[Step] = []
        if launch.stale(self.wanted, release.path, release.site_packages):
            steps.append(Step("launch", release.name, "Wrote the launch scripts of {}".format(release.name)))
        if not self.is_verified(release):
            steps += self._verification(release.name)
        return steps

    def _verification(self, name: str) -> List[Step]:
        sentence = "Verified {} ({}, {})".format(name, self.options.verify_level, self.wanted.device)
        return [Step("verify", name, sentence), Step("complete", name)]


def _contents(release: Release) -> Dict[str, str]:
    """Return what a release has, for a comparison: its managed Python if it has one, and its packages."""
    archive = release.value("python_archive", {})
    python = {"python": str(archive.get("version"))} if archive else {}
    return {**python, **integrity.packages(release.site_packages)}


def _python(archive: Optional[Archive]) -> Dict[str, str]:
    return {"python": archive.version} if archive else {}


def _launchers(release: Optional[Release]) -> List[str]:
    """Return the commands that a release has launch scripts for, linked or not."""
    return names_in(os.path.join(release.path, "launch")) if release else []


def _refetched(edited: Mapping[str, str]) -> List[Step]:
    """Return the steps that discard what was edited in the download cache since it was unpacked."""
    sentence = "Discarded the download of {}, which is not as it was unpacked: {}"
    return [Step("refetch", name, sentence.format(name, wrong)) for name, wrong in sorted(edited.items())]


def _free_name(state: State, wanted: Wanted) -> str:
    """Return the wanted name, with a number when a damaged release has it, or one that users still run."""
    name, number = wanted.name, 1
    while name in state.releases and (state.releases[name].complete or name == state.runs):
        number += 1
        name = "{}.{}".format(wanted.name, number)
    return name
