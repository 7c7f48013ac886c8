"""Does a release that was proved once still fit this host? Asked before it is gone back to."""

from __future__ import annotations

from ..whisperx_problem import Problem
from ..whisperx_release import host
from ..whisperx_release.model import Release
from . import integrity

__all__ = ["check_fit"]


def check_fit(release: Release) -> None:
    """Check that a release is whole, and that the host, which may have changed, still runs it.

    Raises Problem "env.previous-damaged", "env.previous-unfit".
    """
    hurt = integrity.damage(release)
    if hurt:
        raise Problem(
            "env.previous-damaged",
            "release {} is no longer as it was verified: {}".format(release.name, "; ".join(hurt[:3])),
            release.path,
            "a whole release to go back to",
            "Run site.yml with the older lock instead; it builds that release again.",
        )
    then, now = release.value("host", {}), host.here()
    found = host.unfit(str(release.value("device")), then, now)
    wanted = "the driver it was verified on, or a newer one"
    if not found and (then.get("glibc"), then.get("machine")) != (now.glibc, now.machine):
        from . import gate  # with the whole audit, which a host that did not change does not need

        try:
            gate.check(release.site_packages, release.value("needs", {}))
        except Problem as problem:
            found = "it was verified on glibc {}, and this is {}: {}".format(
                then.get("glibc") or "of another time", now.glibc or "another C library", problem.found
            )
            wanted = problem.wanted
    if found:
        raise Problem(
            "env.previous-unfit",
            "release {} no longer fits this host: {}".format(release.name, found),
            release.path,
            wanted,
            "Keep the current release, or run site.yml for one that fits.",
        )
