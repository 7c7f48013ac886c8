"""The records of the managed environment: where things lie, what is wanted, where files come from."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Tuple

from ..whisperx_common import lockfile
from ..whisperx_problem import Problem

__all__ = [
    "SCHEMA",
    "Carried",
    "Layout",
    "Options",
    "Outcome",
    "Release",
    "Sources",
    "State",
    "Wanted",
    "want",
]

SCHEMA = 1

# What makes an environment another one, beside the locked packages. Reasons, notes and the like do not.
_PLAN_PARTS = ("python", "python_path", "device", "environment", "loader_paths", "scripts")
_UNSAFE = re.compile(r"[^A-Za-z0-9.+_]")


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

    ``carried`` are the SHA-256 of the files that earlier runs brought, ``unpacked`` of wheels that came from
    the site's wheelhouse and lie unpacked in uv's cache.
    """

    exists: bool
    current: str = ""
    previous: str = ""
    releases: Mapping[str, Release] = field(default_factory=dict)
    carried: Tuple[str, ...] = ()
    unpacked: FrozenSet[str] = frozenset()

    def get(self, name: str) -> Optional[Release]:
        """Return a complete release by name."""
        release = self.releases.get(name)
        return release if release is not None and release.complete else None

    @property
    def half_built(self) -> Tuple[str, ...]:
        """Names of the releases that were never finished."""
        return tuple(sorted(name for name, release in self.releases.items() if not release.complete))


@dataclass(frozen=True)
class Sources:
    """Where packages come from. The credentials never reach an argument list or a file.

    ``torch_index`` is the base address of a mirror of the PyTorch indexes, without the build at its end.
    ``username`` and ``password`` are for the server of ``index_url`` (without one, of the first other index).
    """

    index_url: str = ""
    extra_index_urls: Tuple[str, ...] = ()
    find_links: Tuple[str, ...] = ()
    torch_index: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    offline: bool = False


@dataclass(frozen=True)
class Carried:
    """A file that travels with the run: uv (``file`` is "uv") or a wheel; ``path`` on this host, or ""."""

    sha256: str
    file: str
    path: str = ""


@dataclass(frozen=True)
class Options:
    """How to apply. ``keep`` complete releases stay; times in seconds.

    ``wheelhouse`` is the address of the site's own store, from which the host takes what an index would have.
    Without ``activate`` the release is made ready beside the others, and nothing that is in use changes.
    """

    keep: int = 2
    activate: bool = True
    verify_level: str = "pipeline"
    timeout: int = 3600
    verify_timeout: int = 600
    sources: Sources = Sources()
    carried: Tuple[Carried, ...] = ()
    wheelhouse: str = field(default="", repr=False)


@dataclass(frozen=True)
class Wanted:
    """The environment to be: a plan, its lock, and the name both give it."""

    plan: Mapping[str, Any]
    lock: lockfile.Lock
    text: str
    name: str
    digest: str

    @property
    def lock_digest(self) -> str:
        """SHA-256 of the lock's bytes."""
        return lockfile.digest(self.text)

    @property
    def scripts(self) -> Tuple[str, ...]:
        """The commands to expose to users."""
        return tuple(str(name) for name in self.plan.get("scripts") or [])

    @property
    def device(self) -> str:
        """The device the environment is for: "cpu" or "cuda"."""
        return str(self.plan.get("device") or "cpu")

    @property
    def environment(self) -> Dict[str, str]:
        """The variables the plan sets for every command."""
        return {str(key): str(value) for key, value in (self.plan.get("environment") or {}).items()}


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


def want(plan: Mapping[str, Any], text: str) -> Wanted:
    """Join a plan and the text of its lock.

    Raises Problem: "lock.malformed", "env.plan-refused" for a plan that is none, "env.lock-mismatch" when the
    lock was made for another Python or device.
    """
    if plan.get("verdict", "plan") != "plan":
        raise Problem(
            "env.plan-refused",
            "the plan is a refusal",
            "option plan",
            "a plan with verdict 'plan'",
            "Read the reasons in the plan; the whisperx_plan role stops such a host before this step.",
        )
    lock = lockfile.parse(text, "option lock")
    for key in ("python", "device"):
        if plan.get(key) and lock.header[key] != str(plan[key]):
            raise Problem(
                "env.lock-mismatch",
                "the lock is for {} {}".format(key, lock.header[key]),
                "option lock",
                "{} {}, as the plan says".format(key, plan[key]),
                "Lock anew (whisperx_plan_state: upgrade).",
            )
    parts = {key: plan.get(key) for key in _PLAN_PARTS}
    parts["packages"] = lock.header["content"]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode("utf-8")).hexdigest()
    main = _main_package(plan, lock)
    flavour = lock.header["torch-build"] or str(plan.get("device") or "cpu")
    name = "-".join(_UNSAFE.sub("_", part) for part in (main, lock.versions[main], flavour, digest[:12]))
    return Wanted(plan, lock, text, name, digest)


def _main_package(plan: Mapping[str, Any], lock: lockfile.Lock) -> str:
    """Return the requested package that names the release: the first that is locked."""
    for name in plan.get("request") or {}:
        if lockfile.normalise(name) in lock.versions:
            return lockfile.normalise(name)
    asked = ", ".join(plan.get("request") or {}) or "none"
    raise Problem(
        "env.lock-mismatch",
        "none of the requested packages ({}) is in the lock".format(asked),
        "option lock",
        "a lock of this plan",
        "Lock anew (whisperx_plan_state: upgrade).",
    )
