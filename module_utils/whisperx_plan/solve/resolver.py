"""The set of versions: resolvelib over the releases that can be part of one, newest first, requested
packages first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...whisperx_catalogue.release import Release
from ...whisperx_libraries import (
    AbstractProvider,
    BaseReporter,
    ResolutionImpossible,
    ResolutionTooDeep,
    Resolver,
)
from .candidates import World
from .dependencies import Need

__all__ = ["Conflict", "Solution", "resolve"]

# ansible-core up to 2.18 wants a resolvelib whose classes take no types, and which has this one elsewhere.
if TYPE_CHECKING:
    from resolvelib.structs import RequirementInformation

    _Base = AbstractProvider[Need, Release, str]
else:
    _Base = AbstractProvider

_MAX_ROUNDS = 20_000


@dataclass(frozen=True)
class Solution:
    """The chosen releases by package, in order of rank."""

    pins: Mapping[str, Release]

    def quality(self, requested: Iterable[str]) -> tuple[int, ...]:
        """Return how new the requested packages are, comparable: more is newer."""
        return tuple(self.pins[name].index for name in requested)


@dataclass(frozen=True)
class Conflict:
    """Why there is no set: wishes that exclude each other; empty where a requested package has no viable
    release.
    """

    needs: tuple[Need, ...] = ()


class _Provider(_Base):
    def __init__(self, world: World) -> None:
        self._world = world
        requested = list(world.target.request.packages)
        self._order = {
            name: (
                requested.index(name) if name in requested else len(requested),
                *world.catalogue.rank(name),
            )
            for name in world.names
        }

    def identify(self, requirement_or_candidate: Need | Release) -> str:
        found = requirement_or_candidate
        return found.name if isinstance(found, Need) else found.package

    def get_preference(
        self,
        identifier: str,
        resolutions: Mapping[str, Release],
        candidates: Mapping[str, Iterator[Release]],
        information: Mapping[str, Iterator[RequirementInformation[Need, Release]]],
        backtrack_causes: Sequence[RequirementInformation[Need, Release]],
    ) -> tuple[int, int, str]:
        return self._order[identifier]

    def find_matches(
        self,
        identifier: str,
        requirements: Mapping[str, Iterator[Need]],
        incompatibilities: Mapping[str, Iterator[Release]],
    ) -> Sequence[Release]:
        mask = self._world.viable[identifier]
        for need in requirements[identifier]:
            mask &= need.mask
        for release in incompatibilities[identifier]:
            mask &= ~release.bit
        return self._world.catalogue.packages[identifier].members(mask)

    def is_satisfied_by(self, requirement: Need, candidate: Release) -> bool:
        return bool(requirement.mask & candidate.bit)

    def get_dependencies(self, candidate: Release) -> Sequence[Need]:
        return self._world.needs(candidate)


def resolve(world: World) -> Solution | Conflict:
    """Return the newest set for a world, or why there is none."""
    request = world.target.request.packages
    if any(not world.viable[name] for name in request):
        return Conflict()
    roots = [Need(name, text, world.asked[name]) for name, text in request.items()]
    reporter: BaseReporter[Need, Release, str] = BaseReporter()
    try:
        result = Resolver(_Provider(world), reporter).resolve(roots, max_rounds=_MAX_ROUNDS)
    except ResolutionImpossible as error:
        return Conflict(tuple(cause.requirement for cause in error.causes))
    except ResolutionTooDeep:
        return Conflict()
    pins: dict[str, Release] = result.mapping
    used = _brought_in(pins, request, world)
    return Solution({name: pins[name] for name in sorted(used, key=world.catalogue.rank)})


def _brought_in(pins: Mapping[str, Release], request: Iterable[str], world: World) -> set[str]:
    """Return the pinned packages that something really brings in; a limit alone does not."""
    used: set[str] = set()
    todo = list(request)
    while todo:
        name = todo.pop()
        if name not in used:
            used.add(name)
            todo += [need.name for need in world.needs(pins[name]) if not need.limit]
    return used
