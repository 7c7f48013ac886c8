"""All that the rules and requirements say about the releases, for one way to use one host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...whisperx_catalogue.release import Release
from ..case import Target
from ..findings import Finding
from ..rules.verdicts import Verdicts, verdicts
from .dependencies import Need, library_needs, wants_of

__all__ = ["World"]


class World:
    """For one target: which releases the rules let pass, and which of them can be part of a set at all.

    ``cures``: rules that a remedy makes harmless here.
    Sets of releases are bit masks, see Package.
    """

    def __init__(
        self,
        target: Target,
        cures: frozenset[str] = frozenset(),
    ) -> None:
        catalogue = target.catalogue
        self.catalogue, self.target, self.cures = catalogue, target, cures
        self._verdicts: dict[str, Verdicts] = {}
        self.passing: dict[str, int] = {}
        self.asked: dict[str, int] = {
            name: catalogue.packages[name].mask(text) for name, text in target.request.packages.items()
        }
        self.names = self._reach(target.request.packages)
        self.torch = next((name for name in sorted(self.names) if catalogue.info(name).builds), None)
        self._needs: dict[int, tuple[Need, ...]] = {}
        self.failed: dict[int, Need] = {}
        self.viable = self._prune()

    def blocking(self, release: Release) -> tuple[Finding, ...]:
        """Return what the rules say against a release, cured rules left out."""
        return tuple(said for said in self.said(release) if said.rule not in self.cures)

    def said(self, release: Release) -> tuple[Finding, ...]:
        """Return all that the rules say against a release."""
        self.let_pass(release.package)
        return self._verdicts[release.package].said.get(release.index, ())

    def request_text(self, name: str) -> str:
        """Return the specifier that was asked for, empty if none."""
        return self.target.request.packages.get(name, "")

    def let_pass(self, name: str) -> int:
        """Ask the rules about every release of a package; return the set that passes, reached or not."""
        if name not in self.passing:
            package = self.catalogue.packages[name]
            found = self._verdicts[name] = verdicts(package, self.target)
            self.passing[name] = package.everything & ~found.blocked(self.cures)
        return self.passing[name]

    def _reach(self, start: Iterable[str]) -> frozenset[str]:
        """Return every catalogued package that passing releases may bring in."""
        names, todo = set(), list(start)
        while todo:
            name = todo.pop()
            if name in names:
                continue
            names.add(name)
            package = self.catalogue.packages[name]
            for release in package.members(self.let_pass(name) & self.asked.get(name, package.everything)):
                todo += [need.name for need in wants_of(release, self.target).needs if not need.limit]
        return frozenset(names)

    def needs(self, release: Release) -> tuple[Need, ...]:
        """Return what a release wants of the packages that can be part of the set."""
        key = id(release)
        if key not in self._needs:
            wants = wants_of(release, self.target)
            self._needs[key] = tuple(need for need in wants.needs if need.name in self.names) + library_needs(
                release, self.target, self.torch
            )
        return self._needs[key]

    def _prune(self) -> dict[str, int]:
        """Return the releases each of whose wishes some other viable release can meet; remember the wish
        that failed.
        """
        viable = {
            name: self.passing[name] & self.asked.get(name, self.catalogue.packages[name].everything)
            for name in self.names
        }
        changed = True
        while changed:
            changed = False
            for name in sorted(self.names):
                for release in self.catalogue.packages[name].members(viable[name]):
                    need = self._unmet(release, viable)
                    if need is not None:
                        viable[name] &= ~release.bit
                        self.failed[id(release)] = need
                        changed = True
        return viable

    def _unmet(self, release: Release, viable: Mapping[str, int]) -> Need | None:
        return next((need for need in self.needs(release) if not need.mask & viable[need.name]), None)
