"""The records of releases on a host, of whatever runtime: where things lie, what is there, what was done."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Tuple

__all__ = ["SCHEMA", "Layout", "Outcome", "Release", "State"]

SCHEMA = 1


@dataclass(frozen=True)
class Layout:
    """Every path that this toolkit uses on a host.

    With an empty ``bin_dir`` or ``facts_dir`` nothing is put there. ``shared_cache`` is a download cache that
    is not this root's own, "" for none.
    """

    root: str
    bin_dir: str
    facts_dir: str
    shared_cache: str = ""

    def path(self, *parts: str) -> str:
        """Return a path below the root."""
        return os.path.join(self.root, *parts)

    @property
    def marker(self) -> str:
        """The file that says the root is ours."""
        return self.path(".whisperx-fleet")

    @property
    def cache(self) -> str:
        """uv's cache: best on the root's file system, where an environment shares its files."""
        return self.shared_cache or self.path("cache")

    @property
    def rolled_back(self) -> str:
        """The file that remembers the last rollback."""
        return self.path(".whisperx-fleet-rollback")

    @property
    def current(self) -> str:
        """The link to the release in use."""
        return self.path("current")

    @property
    def previous(self) -> str:
        """The link to the release that was in use before."""
        return self.path("previous")

    def release(self, name: str) -> str:
        """Return the path of one release."""
        return self.path("releases", name)

    @property
    def fact(self) -> str:
        """The static fact file, "" when none is wanted."""
        return os.path.join(self.facts_dir, "whisperx.fact") if self.facts_dir else ""

    def command(self, name: str) -> str:
        """Return the path under which users call one command."""
        return os.path.join(self.bin_dir, name)

    def launcher(self, name: str) -> str:
        """Return what the link of one command points to."""
        return os.path.join(self.current, "launch", name)


@dataclass(frozen=True)
class Release:
    """One directory below releases/. ``record`` is release.json, None while the release is half-built."""

    name: str
    path: str
    record: Optional[Dict[str, Any]]

    @property
    def complete(self) -> bool:
        """Whether the release was built, verified and recorded to the end."""
        return self.record is not None

    def value(self, key: str, default: Any = "") -> Any:
        """Return one value of the record."""
        return (self.record or {}).get(key, default)

    @property
    def site_packages(self) -> str:
        """The directory its packages are in."""
        return os.path.join(self.path, "lib", "python" + str(self.value("python")), "site-packages")


@dataclass(frozen=True)
class State:
    """What is on the host.

    ``current`` and ``previous`` are names of complete releases, "" when the link is absent or dead.
    """

    exists: bool
    current: str = ""
    previous: str = ""
    releases: Mapping[str, Release] = field(default_factory=dict)

    def get(self, name: str) -> Optional[Release]:
        """Return a complete release by name."""
        release = self.releases.get(name)
        return release if release is not None and release.complete else None

    @property
    def half_built(self) -> Tuple[str, ...]:
        """Names of the releases that were never finished."""
        return tuple(sorted(name for name, release in self.releases.items() if not release.complete))


@dataclass
class Outcome:
    """What was done, or in check mode what would be. ``changed`` is whether there is any action."""

    actions: List[str] = field(default_factory=list)
    before: Dict[str, str] = field(default_factory=dict)
    after: Dict[str, str] = field(default_factory=dict)
    release: str = ""
    wanted_files: List[Dict[str, str]] = field(default_factory=list)
    timings: Dict[str, float] = field(default_factory=dict)
    verify: Dict[str, Any] = field(default_factory=dict)
    notes: List[str] = field(default_factory=list)
    fetched: int = 0
