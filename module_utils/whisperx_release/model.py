"""The records of releases on a host, of whatever runtime: where things lie, what is there, what was done."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Tuple

from ..whisperx_common import extras
from ..whisperx_common.files import GOING

__all__ = [
    "LEVELS",
    "SCHEMA",
    "SERVICES",
    "Asked",
    "Decision",
    "Layout",
    "Options",
    "Outcome",
    "Release",
    "State",
    "Step",
    "tries_models",
]

SCHEMA = 1
# How far a release is verified, each level including those before it.
LEVELS = ("import", "kernels", "pipeline", "speech")
# Of these, the levels that try the models which are placed on the host.
_WITH_MODELS = LEVELS[LEVELS.index("pipeline") :]
# The directory in the root that has the records of the services.
SERVICES = "services"


def tries_models(level: object) -> bool:
    """Return whether a verification of this level tries the models that are placed on the host."""
    return level in _WITH_MODELS


@dataclass(frozen=True)
class Layout:
    """Every path that this toolkit uses on a host.

    With an empty ``bin_dir`` or ``facts_dir`` nothing is put there. ``shared_cache`` is a download cache that
    is not this root's own, "" for none. ``role`` begins the names of the variables that set these paths.
    """

    root: str
    bin_dir: str
    facts_dir: str
    shared_cache: str = ""
    role: str = "whisperx_venv"

    def path(self, *parts: str) -> str:
        """Return a path below the root."""
        return os.path.join(self.root, *parts)

    @property
    def going(self) -> str:
        """The root's name while it is being removed."""
        return self.root + GOING

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
        """The link that remembers the last rollback: its target is the name of the release gone back to."""
        return self.path(".whisperx-fleet-rollback")

    @property
    def current(self) -> str:
        """The link to the release in use."""
        return self.path("current")

    @property
    def previous(self) -> str:
        """The link to the release that was in use before."""
        return self.path("previous")

    @property
    def releases(self) -> str:
        """The directory of the releases."""
        return self.path("releases")

    def release(self, name: str) -> str:
        """Return the path of one release."""
        return self.path("releases", name)

    def option(self, name: str) -> str:
        """Return the variable that sets one of these paths: "root", "bin_dir" and so on."""
        return "{}_{}".format(self.role, name)

    @property
    def area(self) -> str:
        """The first word of the rules that are a role's own: "env", or "container"."""
        return "env" if self.role == "whisperx_venv" else self.role.partition("_")[2]

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
        """Return one value of the record, ``default`` where it says nothing."""
        found = (self.record or {}).get(key)
        return default if found is None else found

    @property
    def serial(self) -> int:
        """Its number among the releases of its root, in the order they were made; 0 if it has none."""
        return int(self.value("serial", 0))

    @property
    def versions(self) -> Dict[str, str]:
        """Version by package, as the record has it."""
        return dict(self.value("versions", {}))

    @property
    def scripts(self) -> Tuple[str, ...]:
        """The commands it has for users."""
        return tuple(self.value("scripts", ()))

    @property
    def level(self) -> str:
        """How far it was verified, "" for not at all."""
        return str(self.value("verify", {}).get("level") or "")

    @property
    def models(self) -> str:
        """The set of models that it was verified with, "" for none."""
        return str(self.value("verify", {}).get("models") or "")

    @property
    def site_packages(self) -> str:
        """The directory its packages are in."""
        return os.path.join(self.path, "lib", "python" + str(self.value("python")), "site-packages")


class Asked:
    """What a plan and the further packages of its lock ask for, whatever it runs in.

    ``chosen`` are the commands to link for users, all when empty.
    """

    plan: Mapping[str, Any]
    chosen: Tuple[str, ...]

    @property
    def extras(self) -> Tuple[extras.Extra, ...]:
        """The further packages, as the lock notes them."""
        raise NotImplementedError

    @property
    def scripts(self) -> Tuple[str, ...]:
        """The commands to link for users."""
        return self.chosen or self.commands

    @property
    def commands(self) -> Tuple[str, ...]:
        """Every command of the packages that were asked for: each has a launch script."""
        names = [str(name) for name in self.plan.get("scripts") or []]
        return tuple(dict.fromkeys([*names, *extras.commands(self.extras)]))

    @property
    def imports(self) -> List[Dict[str, Any]]:
        """What is imported to verify it: the plan's packages, then the extras."""
        return [*(self.plan.get("imports") or []), *extras.imports(self.extras)]

    @property
    def requested(self) -> List[str]:
        """The packages that were asked for, extras included."""
        return sorted({*(self.plan.get("request") or {}), *(extra.name for extra in self.extras)})


@dataclass(frozen=True)
class State:
    """What is on the host.

    ``current`` and ``previous`` are names of complete releases, "" when the link is absent or dead.
    ``runs`` is the release that `current` leads to, also where its record cannot be read: users run it.
    ``leftovers`` are names in the root that killed runs left while they wrote; ``going`` says that a killed
    removal left a part of the root under another name.
    """

    exists: bool
    current: str = ""
    previous: str = ""
    releases: Mapping[str, Release] = field(default_factory=dict)
    runs: str = ""
    leftovers: Tuple[str, ...] = ()
    going: bool = False

    def get(self, name: str) -> Optional[Release]:
        """Return a complete release by name."""
        release = self.releases.get(name)
        return release if release is not None and release.complete else None

    @property
    def half_built(self) -> Tuple[str, ...]:
        """Names of the releases that were never finished."""
        return tuple(sorted(name for name, release in self.releases.items() if not release.complete))


@dataclass(frozen=True)
class Options:
    """How to apply, whatever the runtime. ``keep`` complete releases stay; times in seconds.

    Without ``activate`` the release is made ready beside the others, and nothing that is in use changes.
    ``rollback_verify`` is the level to which a release is verified before it is gone back to, or "none".
    """

    keep: int = 2
    activate: bool = True
    verify_level: str = "pipeline"
    verify_timeout: int = 600
    rollback_verify: str = "none"


@dataclass(frozen=True)
class Step:
    """One deed: its kind, what it is done to, and the sentence that says so, "" for one not worth a line.

    A step that is ``left`` is done by who called: the run ends there, and the next call decides anew. One
    that ``may_wait`` does not stop the run when the disk is full: the next run makes up for it.
    """

    kind: str
    subject: str = ""
    sentence: str = ""
    left: bool = False
    may_wait: bool = False


@dataclass(frozen=True)
class Decision:
    """What to do. ``release`` is the active one afterwards; ``before`` and ``after`` are package versions.

    ``damaged`` are releases that are no longer whole. ``awaits`` are files that have to come to the host
    first; while there are any, nothing is done.
    """

    steps: Tuple[Step, ...]
    release: str
    before: Mapping[str, str] = field(default_factory=dict)
    after: Mapping[str, str] = field(default_factory=dict)
    notes: Tuple[str, ...] = ()
    damaged: FrozenSet[str] = frozenset()
    awaits: Tuple[Dict[str, str], ...] = ()

    @property
    def actions(self) -> List[str]:
        """The sentences of the steps."""
        return [step.sentence for step in self.steps if step.sentence]

    @property
    def left(self) -> List[Step]:
        """The steps that are left to who called."""
        return [step for step in self.steps if step.left]

    def has(self, kind: str) -> bool:
        """Return whether there is a step of that kind."""
        return any(step.kind == kind for step in self.steps)


@dataclass
class Outcome:
    """What was done, or in check mode would be; ``left`` are the steps that are left to who called.

    ``services`` is what follows the release, one row each.
    """

    actions: List[str] = field(default_factory=list)
    before: Dict[str, str] = field(default_factory=dict)
    after: Dict[str, str] = field(default_factory=dict)
    release: str = ""
    wanted_files: List[Dict[str, str]] = field(default_factory=list)
    left: List[Step] = field(default_factory=list)
    timings: Dict[str, float] = field(default_factory=dict)
    verify: Dict[str, Any] = field(default_factory=dict)
    notes: List[str] = field(default_factory=list)
    services: List[Dict[str, Any]] = field(default_factory=list)
    fetched: int = 0
