"""From a set of releases to the PEP 440 specifier that admits exactly them, of what the catalogue knows."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ...whisperx_catalogue.catalogue import Package
from ...whisperx_catalogue.release import Release
from ...whisperx_libraries import SpecifierSet
from ..solve.candidates import World

__all__ = ["others", "specifier_for", "without"]

# Admits no version: below zero there is none, and PEP 440 takes no pre-release of the bound itself.
_NONE = "<0"


def others(world: World, known: Collection[str]) -> dict[str, str]:
    """Return a specifier per catalogued package that is not in ``known``: what the host's rules let pass.

    A further package may require any of them, and must not bring a version that is known to fail.
    """
    unknown = world.target.request.unknown
    found = {}
    for name, package in sorted(world.catalogue.packages.items()):
        if name not in known:
            mask = world.let_pass(name)
            found[name] = specifier_for(package, mask, mask, unknown) or _NONE
    return found


def without(text: str, blocked: Iterable[str]) -> str:
    """Return a specifier that names the blocked versions it would let in: an index may have what the
    catalogue's did not.
    """
    inside = SpecifierSet(text)
    names = [f"!={version}" for version in blocked if inside.contains(version, prereleases=True)]
    return ",".join([*([text] if text else []), *sorted(names)])


def specifier_for(package: Package, admitted: int, passing: int, unknown: str) -> str:
    """Return the specifier for a set of releases ("" only for an empty package).

    ``passing``: the releases that the host's rules let pass. Where a rule of the host ends the range, a
    version between two known ones is let in; where the set's own requirements leave one version only, it is
    pinned.
    ``unknown``: "refuse" ends at the newest known release, "gate" leaves the range open there.
    Pre-releases get into the text only where one is admitted: naming one lets resolvers take others.
    """
    whole = {release.version.public: release for release in package.releases if not release.version.local}
    builds = [release for release in package.releases if release.version.local]
    newest = package.members(admitted)[:1]
    if newest and newest[0].version.local:
        other = whole.get(newest[0].version.public)
        if other is not None and not admitted & other.bit:
            return f"=={newest[0].text}"  # what else is admitted cannot be said beside it
    # A build of a version that is known stands with it: PEP 440 compares bounds with the version alone.
    known = [
        release for release in package.releases if not release.version.local or _public(release) not in whole
    ]
    text = _bounds(known, admitted, passing, unknown)
    if not text or not builds:
        return text
    inside = SpecifierSet(text)
    more = [f"!={one.text}" for one in builds if not admitted & one.bit and inside.contains(one.text, True)]
    return ",".join([text, *more])


def _bounds(releases: list[Release], admitted: int, passing: int, unknown: str) -> str:
    """Return the range of a set of releases, oldest first, and what is left out within it."""
    with_pre = any(release.version.is_prerelease for release in releases if admitted & release.bit)
    known = [release for release in releases if with_pre or not release.version.is_prerelease]
    inside = [place for place, release in enumerate(known) if admitted & release.bit]
    if not inside:
        return ""
    first, last = inside[0], inside[-1]
    after = next((one for one in known[last + 1 :] if _public(one) != _public(known[last])), None)
    if first == last and (after is None or passing & after.bit) and not (after is None and unknown == "gate"):
        return f"=={known[first].text}"
    parts = [f">={_public(known[first])}"]
    if after is not None:
        parts.append(f"<{_public(after)}")
    elif unknown == "refuse":
        parts.append(f"<={_public(known[last])}")
    parts += [f"!={release.text}" for release in known[first:last] if not admitted & release.bit]
    return ",".join(parts)


def _public(release: Release) -> str:
    """Return a version as a bound may have it: without a local label, which PEP 440 forbids there."""
    return release.text if release.version.local is None else release.version.public
