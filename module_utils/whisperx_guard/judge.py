"""The decision: which managed release would stop working once the coming packages are there, and why.

Nothing is executed or written; files are read only when a package that matters changes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Callable, Dict, Iterator, List, Sequence, Set, Tuple

from ..whisperx_abi.audit import Finding, audit
from ..whisperx_common.versions import numbers
from ..whisperx_problem import Problem
from .managed import Managed
from .model import Change, Found, Row, row_of

__all__ = ["Surroundings", "judge"]

# Where a plan did not tell from which glibc on executable stacks are refused, none is stopped for that.
_NEVER = "9999"
_LIBC_REMEDY = (
    "Make the environment ready first: site.yml with whisperx_host_override naming libc {0} plans for it "
    "beforehand. Or stay on this glibc: whisperx_guard_hold: [libc]."
)
_DRIVER_REMEDY = (
    "Make the environment ready first: site.yml with whisperx_host_override naming that driver plans for it. "
    "Or stay on this one: whisperx_guard_hold: [driver]."
)
_GONE_REMEDY = (
    "Put another driver into the same run, or plan the host for the CPU first: site.yml with "
    "whisperx_plan_device: cpu."
)
_INTERPRETER_REMEDY = (
    "Keep that package (apt-mark manual keeps it from autoremove), or let site.yml choose another Python "
    "afterwards: a managed one, if whisperx_plan_interpreters has managed and no other of the host fits."
)
_MINOR = re.compile(r"(?:\d+:)?(\d+\.\d+)")


@dataclass(frozen=True)
class Surroundings:
    """What the decision asks of the host.

    ``glibc`` is the one that runs ("2.36", "" for another C library), ``machine`` as in `uname -m`,
    ``owns(change, paths)`` tells whether the installed package has one of the files, ``installed()`` names
    every installed package.
    """

    glibc: str
    machine: str
    owns: Callable[[Change, Sequence[str]], bool]
    installed: Callable[[], Set[str]]


def judge(
    changes: Sequence[Change], releases: Sequence[Managed], known: Sequence[Row], host: Surroundings
) -> List[Found]:
    """Return what would stop working. ``changes`` are of the host's own architecture."""
    found: List[Found] = []
    for release in releases:
        for problem in _problems(changes, release, known, host):
            found.append(Found(problem, release.in_use))
    return found


def _problems(
    changes: Sequence[Change], release: Managed, known: Sequence[Row], host: Surroundings
) -> Iterator[Problem]:
    about: Dict[str, List[Tuple[Change, Row]]] = {"libc": [], "driver": []}
    for change in changes:
        row = row_of(change.package, known)
        if row is not None:
            about[row.kind].append((change, row))
    yield from _libc(about["libc"], release, host)
    if release.device == "cuda":
        yield from _driver(about["driver"], release, known, host)
    yield from _interpreter(changes, release, host)


def _libc(coming: Sequence[Tuple[Change, Row]], release: Managed, host: Surroundings) -> Iterator[Problem]:
    for change, row in coming:
        version = row.upstream(change.after)
        if not version or not host.glibc or version == host.glibc:
            continue
        # Only what this very change does: what does not load today either is no reason to stop it.
        after = _audited(release, version, host)
        new = after and sorted(set(after) - set(_audited(release, host.glibc, host)))
        if new:
            rule, file = new[0]
            finding = after[rule, file]
            more = "; and {} more".format(len(new) - 1) if len(new) > 1 else ""
            yield Problem(
                "guard.libc",
                "{} {} installs glibc {}, with which {} of {} does not load: it {} ({}){}".format(
                    change.package, change.after, version, file, release.name, finding.found, rule, more
                ),
                release.path,
                finding.wanted,
                _LIBC_REMEDY.format(version),
            )


def _audited(release: Managed, glibc: str, host: Surroundings) -> Dict[Tuple[str, str], Finding]:
    result = audit(
        release.site_packages,
        glibc,
        host.machine,
        bool(release.needs.get("execstack_allowed")),
        str(release.needs.get("execstack_refused_from") or _NEVER),
    )
    return {(finding.rule, finding.file): finding for finding in result.findings}


def _driver(
    coming: Sequence[Tuple[Change, Row]], release: Managed, known: Sequence[Row], host: Surroundings
) -> Iterator[Problem]:
    versions: Dict[str, Change] = {}
    for change, row in coming:
        if row.upstream(change.after):
            versions.setdefault(row.upstream(change.after), change)
    for version in sorted(versions, key=numbers):
        wanted = _driver_bound(version, release)
        if wanted:
            change = versions[version]
            yield Problem(
                "guard.driver",
                "{} {} installs NVIDIA driver {}".format(change.package, change.after, version),
                release.path,
                wanted,
                _DRIVER_REMEDY,
            )
            return
    going = [change for change, row in coming if row.loss and change.before and not change.after]
    arriving = any(row.loss and change.after for change, row in coming)
    if going and not arriving and not _another(going, known, host):
        yield Problem(
            "guard.driver-gone",
            "{0.package} {0.before} is removed, and with it NVIDIA's driver".format(going[0]),
            release.path,
            "an NVIDIA driver: the environment computes on the GPU",
            _GONE_REMEDY,
        )


def _driver_bound(version: str, release: Managed) -> str:
    """Return which driver the release wants when this one is outside, "" when it will do."""
    bounds = release.needs.get("driver") or {}
    branch = numbers(version)[:1]
    lowest, highest = str(bounds.get("minimum") or ""), str(bounds.get("maximum") or "")
    if highest and branch > numbers(highest)[:1]:
        return "driver {} at most: the last for a GPU of this host".format(highest)
    if lowest and branch < numbers(lowest)[:1]:
        return "driver {} or newer".format(lowest)
    if not lowest and release.driver and numbers(version) < numbers(release.driver):
        return "driver {}, on which the release was verified, or a newer one".format(release.driver)
    return ""


def _another(going: Sequence[Change], known: Sequence[Row], host: Surroundings) -> bool:
    """Return whether a package that is not going brings the same."""
    left = host.installed() - {change.package for change in going}
    rows = [row for row in known if row.kind == "driver" and row.loss]
    return any(row_of(name, rows) for name in left)


def _interpreter(changes: Sequence[Change], release: Managed, host: Surroundings) -> Iterator[Problem]:
    for change in changes:
        if not change.before or (change.after and _minor(change.after) == _minor(change.before)):
            continue
        if host.owns(change, release.interpreter):
            found = "{} {} is removed".format(change.package, change.before)
            if change.after:
                found = "{} goes from {} to {}".format(change.package, change.before, change.after)
            yield Problem(
                "guard.interpreter",
                "{}, and it has the Python of the environment".format(found),
                release.path,
                "{} to stay as it is".format(", ".join(release.interpreter[:1])),
                _INTERPRETER_REMEDY,
            )
            return


def _minor(version: str) -> str:
    found = _MINOR.match(version)
    return found.group(1) if found else version
