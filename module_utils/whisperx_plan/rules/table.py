"""All rules, in groups. A rule may look only at what the key of its group holds, and at the release."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeAlias

from ...whisperx_catalogue.release import Release
from ..case import Target
from ..findings import Finding
from . import gpu, libc, release, site

__all__ = ["KEYS", "RULES", "Rule"]

Rule: TypeAlias = Callable[[Release, Target], Finding | None]

RULES: dict[str, tuple[Rule, ...]] = {
    "release": (release.yanked, release.blocked, release.prerelease, release.sdist_only),
    "libc": (libc.execstack, libc.glibc_floor, libc.musl, release.no_wheel, release.not_measured),
    "cpu": (libc.cpu_instructions,),
    "gpu": (
        gpu.no_cuda_build,
        gpu.machine_code,
        gpu.ptx,
        gpu.driver_floor,
        gpu.torch_build,
        gpu.no_provider,
    ),
    "python": (release.python_band, release.python_wheel),
    "site": (site.tegra, site.linked, site.unused_code),
}

# What of a target the rules of a group look at: rules of one group are asked once per such key.
KEYS: dict[str, Callable[[Target, str], Hashable]] = {
    "release": lambda target, package: target.request.packages.get(package, ""),
    "libc": lambda target, _: (
        target.host.machine,
        target.host.libc_family,
        target.host.libc_version,
        target.gates,
    ),
    "cpu": lambda target, _: (target.host.machine, target.host.cpu_flags),
    "gpu": lambda target, _: (
        target.host.machine,
        target.host.libc_family,
        target.device,
        target.gates,
        target.gpu if target.device == "cuda" else None,
    ),
    "python": lambda target, _: (
        target.python.version,
        target.host.machine,
        target.host.libc_family,
        target.host.libc_version,
    ),
    "site": lambda target, _: (
        target.device,
        target.host.tegra,
        target.python.version,
        target.host.machine,
        target.host.libc_family,
        target.host.libc_version,
    ),
}
