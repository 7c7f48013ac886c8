"""A site's own wheels as releases beside the known ones. In: rows as whisperx_measure makes them.

A version that the catalogue has too is taken only where the index has no wheel for it: of one version there
is one wheel for a host, and the index's is the one that was tried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..whisperx_common.versions import numbers
from ..whisperx_problem import Problem
from .catalogue import Catalogue, Package, numbered
from .fields import Fields
from .release import Release, Wheel

__all__ = ["Lost", "with_wheels"]

_RULE, _REMEDY = "wheels.row", "Measure the wheel again"


@dataclass(frozen=True)
class Lost:
    """A wheel that no host can get, whatever its facts: ``sentence`` says why."""

    sha256: str
    sentence: str


def with_wheels(
    catalogue: Catalogue, rows: Sequence[Mapping[str, Any]]
) -> tuple[Catalogue, tuple[Lost, ...]]:
    """Return a catalogue that has these wheels too, and those that lose to the index's.

    Raises Problem "wheels.row" for rows that cannot be read, "wheels.metadata" for wheels of one version
    that ask for different packages.
    """
    if not rows:
        return catalogue, ()
    lost: list[Lost] = []
    packages: dict[str, Package] = {}
    for package in catalogue.packages.values():
        copies = [replace(release, cache={}) for release in package.releases]
        own = [row for row in rows if row["package"] == package.name]
        for version in sorted({str(row["version"]) for row in own}):
            _add(copies, package.name, [row for row in own if str(row["version"]) == version], lost)
        copies.sort(key=lambda release: release.version)
        packages[package.name] = Package(package.name, numbered(copies), package.cuda)
    return Catalogue(packages, catalogue.rows, catalogue.digest), tuple(lost)


def _add(copies: list[Release], package: str, rows: Sequence[Mapping[str, Any]], lost: list[Lost]) -> None:
    """Add the wheels of one version to the releases of their package."""
    release = _release(package, rows)
    place = next((at for at, known in enumerate(copies) if known.version == release.version), None)
    if place is None:
        copies.append(release)
        return
    known = copies[place]
    taken = []
    for wheel in release.wheels:
        same = next((one for one in known.wheels if _serves(one, wheel)), None)
        if same is None:
            taken.append(wheel)
        else:
            hint = f"Build it with a local version, such as {known.text}+site1"
            lost.append(
                Lost(wheel.sha256, f"loses to {same.file}, the index's wheel of that version. {hint}")
            )
    if taken:
        machines = {where for wheel in taken for where, _family, _minimum in wheel.platforms}
        copies[place] = replace(
            known,
            wheels=(*known.wheels, *taken),
            abi={**{name: abi for name, abi in release.abi.items() if name in machines}, **known.abi},
            requires_on={**dict.fromkeys(machines, release.requires), **known.requires_on},
            sdist_only=False,
        )


def _serves(known: Wheel, wheel: Wheel) -> bool:
    """Return whether a wheel of the index is for a machine of another one.

    For other interpreters too: of a release, one wheel stands for all of a machine.
    """
    there = {(where, family) for where, family, _minimum in known.platforms}
    return any((where, family) in there for where, family, _minimum in wheel.platforms)


def _release(package: str, rows: Sequence[Mapping[str, Any]]) -> Release:
    """Return the release that wheels of one version make."""
    first = rows[0]
    record: dict[str, Any] = {
        "version": first["version"],
        "requires_python": first["requires_python"],
        "requires_dist": first["requires_dist"],
        "wheels": [{key: row[key] for key in ("file", "sha256", "size")} for row in rows],
        "abi": {},
    }
    for row in rows:
        if row["requires_python"] != first["requires_python"]:
            raise _differ(first, row)
        for machine in row["machines"]:
            other = next((one for one in rows if machine in one["machines"]), row)
            if other["requires_dist"] != row["requires_dist"]:
                raise _differ(other, row)
            record[f"requires_dist_{machine}"] = row["requires_dist"]
            if row.get("abi"):
                record["abi"][machine] = _joined(record["abi"].get(machine), row["abi"])
    release = Release.read(package, Fields(record, _RULE, str(first["file"]), _REMEDY))
    cuda = {machine: str(abi.get("cuda") or "") for machine, abi in record["abi"].items()}
    wheels = tuple(replace(wheel, site=True) for wheel in release.wheels)
    return replace(release, site=True, wheels=wheels, site_cuda=cuda)


def _joined(one: Mapping[str, Any] | None, other: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is true of two wheels of one version on one machine, by the stricter of both."""
    if one is None:
        return dict(other)
    joined = dict(one)
    for key in ("needs", "opens", "provides"):
        if key in one or key in other:
            joined[key] = sorted({*one.get(key, ()), *other.get(key, ())})
    for key in ("sass", "ptx"):
        if key in one:
            joined[key] = [code for code in one[key] if code in other.get(key, ())]
    joined["execstack"] = bool(one.get("execstack") or other.get("execstack"))
    for key in ("glibc", "ptx_isa"):
        joined[key] = max(filter(None, (one.get(key), other.get(key))), key=numbers, default=None)
    return joined


def _differ(one: Mapping[str, Any], other: Mapping[str, Any]) -> Problem:
    return Problem(
        "wheels.metadata",
        f"{one['file']} and {other['file']} are one version and differ in what they require",
        "whisperx_plan_wheels",
        "one METADATA for all wheels of a version",
        "Give one of them another local version.",
    )
