"""Rules about a release itself: withdrawn, blocked, unmeasured, without a wheel for the machine or the
interpreter.
"""

from __future__ import annotations

from ...whisperx_catalogue.release import Release, specifier
from ...whisperx_common.versions import dotted
from ...whisperx_libraries import Version
from ..case import Target
from ..findings import Finding, finding
from .libc import floor_of

__all__ = [
    "asked_exactly",
    "blocked",
    "no_wheel",
    "not_measured",
    "prerelease",
    "python_band",
    "python_wheel",
    "sdist_only",
    "yanked",
]


def asked_exactly(release: Release, target: Target) -> bool:
    """Say whether the request pins exactly this release."""
    text = target.request.packages.get(release.package, "")
    return any(
        part.operator in ("==", "===")
        and not part.version.endswith("*")
        and Version(part.version) == release.version
        for part in specifier(text)
    )


def yanked(release: Release, target: Target) -> Finding | None:
    """Withdrawn by its authors; taken only where it is asked for by its exact version."""
    if release.yanked is None or asked_exactly(release, target):
        return None
    return finding("release.yanked", "a withdrawn release", why=release.yanked.rstrip("."))


def blocked(release: Release, target: Target) -> Finding | None:
    """Never taken."""
    for row in target.catalogue.rows.blocked:
        if row.package == release.package and row.versions.contains(release.version, prereleases=True):
            return finding("release.blocked", "a blocked release", why=row.why, evidence=row.source)
    return None


def prerelease(release: Release, target: Target) -> Finding | None:
    """A pre-release is taken only where the request names one."""
    if not release.version.is_prerelease:
        return None
    if specifier(target.request.packages.get(release.package, "")).prereleases:
        return None
    return finding("release.prerelease", "a pre-release")


def sdist_only(release: Release, target: Target) -> Finding | None:
    """No wheel at all, and nobody builds one."""
    if release.wheels or release.invented or release.package in target.catalogue.rows.built_from_sdist:
        return None
    return finding("release.sdist-only", "a source distribution only")


def no_wheel(release: Release, target: Target) -> Finding | None:
    """No wheel for this machine, whatever its C library."""
    machine = target.host.machine or "an unknown machine"
    if not release.wheels or any(release.fitting(machine, family) for family in ("glibc", "musl")):
        return None
    made = sorted({where for wheel in release.wheels for where, _family, _minimum in wheel.platforms})
    return finding("wheel.machine", machine, made=", ".join(made))


def not_measured(release: Release, target: Target) -> Finding | None:
    """A native wheel whose ELF files were not read: nobody knows whether it loads."""
    if target.gates or not target.catalogue.info(release.package).measured:
        return None
    machine = target.host.machine or ""
    if machine in release.abi or not release.fitting(machine, target.host.libc_family or "glibc"):
        return None
    return finding("unknown.not-measured", "a wheel that was not measured", machine=machine)


def python_band(release: Release, target: Target) -> Finding | None:
    """The interpreter is outside what METADATA, or experience, allows; upper bounds count too."""
    python = dotted(target.python.version)
    bands = [release.requires_python or ""] + [
        row.python for row in target.catalogue.amendments(release) if row.python
    ]
    for band in bands:
        if band and not specifier(band).contains(python, prereleases=True):
            return finding("python.band", f"Python {dotted(target.python.minor)}", band=band)
    return None


def python_wheel(release: Release, target: Target) -> Finding | None:
    """There are wheels for the machine, but none for this interpreter."""
    if python_band(release, target) is not None:
        return None
    host = target.host
    wheels = release.fitting(host.machine or "", host.libc_family or "glibc")
    level = target.case.glibc_level
    reachable = [
        wheel
        for wheel in wheels
        if host.libc_family != "glibc"
        or level is None
        or floor_of(wheel, release, host.machine or "") <= level
    ]
    if not reachable or any(wheel.fits_python(target.python.minor) for wheel in reachable):
        return None
    return finding("wheel.python", f"Python {dotted(target.python.minor)}", tag=target.python.tag)
