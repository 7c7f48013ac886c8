"""The hand-kept rows as records: drivers, GPUs, torch builds, library names, distributions, rules, …"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..whisperx_common.versions import Numbers
from ..whisperx_libraries import Requirement, SpecifierSet
from .container_rows import ContainerRows
from .interpreter_rows import Standalone
from .release import Release

__all__ = [
    "Advisory",
    "Amendment",
    "Block",
    "Build",
    "CpuNeed",
    "Distro",
    "Generation",
    "PackageInfo",
    "Rows",
    "Rule",
    "Sdist",
    "Series",
]


@dataclass(frozen=True)
class Generation:
    """A GPU generation: its capabilities, and the driver branches that serve it (``last_branch`` None:
    still served). ``modules``: the kind of kernel modules it needs, None for either.
    """

    name: str
    first: Numbers
    last: Numbers
    first_branch: int
    last_branch: int | None
    modules: str | None = None


@dataclass(frozen=True)
class Build:
    """One build of a torch series. ``cuda`` None: the CPU build."""

    name: str
    cuda: Numbers | None
    cudnn: Numbers | None
    sass: tuple[str, ...]
    ptx: tuple[str, ...]


@dataclass(frozen=True)
class Series:
    """A torch series on one machine: its builds, the default one first."""

    default: str
    builds: tuple[Build, ...]
    source: str


@dataclass(frozen=True)
class Amendment:
    """What METADATA misses. ``adds`` are added to a set, ``limits`` bound what others add, ``drops`` are left
    out although METADATA wants them.
    """

    id: str
    package: str
    versions: SpecifierSet
    adds: tuple[Requirement, ...]
    limits: tuple[Requirement, ...]
    python: str | None
    sentence: str
    source: str
    drops: tuple[Requirement, ...] = ()


@dataclass(frozen=True)
class CpuNeed:
    """The CPU flags that versions of a package are compiled for on a machine."""

    package: str
    versions: SpecifierSet
    machine: str
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """Versions that are never taken."""

    package: str
    versions: SpecifierSet
    why: str
    source: str


@dataclass(frozen=True)
class Advisory:
    """Versions that a user should know something about. ``device``: any, cuda or cpu; ``capability``: its
    major, or None.
    """

    package: str
    versions: SpecifierSet
    device: str
    capability: int | None
    id: str
    sentence: str


@dataclass(frozen=True)
class PackageInfo:
    """What the plan knows about a package beside its releases."""

    name: str
    module: str | None = None
    rank: int = 1000
    optional: bool = False
    computes: bool = False
    builds: bool = False
    measured: bool = False
    scripts: tuple[str, ...] = ()
    system: tuple[str, ...] = ()
    cpu: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Sdist:
    """A package without wheels, and how its wheel is built. ``recipe``: package, version, sdist_sha256,
    build_requires.
    """

    recipe: Mapping[str, Any]
    needed_by: str
    versions: SpecifierSet

    def serves(self, pins: Mapping[str, Release]) -> bool:
        """Say whether a set brings this package in."""
        pin = pins.get(self.needed_by)
        return pin is not None and self.versions.contains(pin.version, prereleases=True)


@dataclass(frozen=True)
class Distro:
    """A distribution release. ``offered``: (Python version, package) in its own repositories.

    ``distutils``: the package of that module, where it is not part of the distribution's Python.
    """

    id: str
    version: str
    codename: str | None
    libc: tuple[str, Numbers | None]
    python: Numbers | None
    offered: tuple[tuple[Numbers, str], ...]
    ffmpeg: str | None
    ffmpeg_note: str | None
    distutils: str | None
    libavutil: int | None


@dataclass(frozen=True)
class Rule:
    """One rule's words and numbers. ``cures``: the remedies that make an affected version usable."""

    id: str
    order: int
    sentence: str
    wanted: str
    remedy: str
    variants: Mapping[str, str]
    cures: tuple[str, ...]
    thresholds: Mapping[str, Any]
    source: str


@dataclass(frozen=True)
class Rows:
    """All hand-kept knowledge."""

    toolkits: tuple[tuple[Numbers, Numbers], ...] = ()
    floors: Mapping[int, Numbers] = field(default_factory=dict)
    branches: tuple[tuple[int, Numbers], ...] = ()
    ptx: tuple[tuple[Numbers, Numbers], ...] = ()
    generations: tuple[Generation, ...] = ()
    devices: tuple[tuple[int, int, Numbers], ...] = ()
    series: Mapping[tuple[str, str], Series] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    soname_optional: frozenset[str] = frozenset()
    soname_parts: tuple[str, ...] = ()
    ffmpeg: tuple[tuple[str, SpecifierSet, frozenset[int]], ...] = ()
    amendments: tuple[Amendment, ...] = ()
    blocked: tuple[Block, ...] = ()
    advisories: tuple[Advisory, ...] = ()
    platforms: tuple[tuple[str, str, Numbers, str], ...] = ()
    packages: Mapping[str, PackageInfo] = field(default_factory=dict)
    build_parts: tuple[tuple[str, str], ...] = ()
    built_from_sdist: Mapping[str, Sdist] = field(default_factory=dict)
    cpu_needs: tuple[CpuNeed, ...] = ()
    cpu_implies: Mapping[str, frozenset[str]] = field(default_factory=dict)
    distros: tuple[Distro, ...] = ()
    rules: Mapping[str, Rule] = field(default_factory=dict)
    containers: ContainerRows = field(default_factory=ContainerRows)
    standalone: tuple[Standalone, ...] = ()
