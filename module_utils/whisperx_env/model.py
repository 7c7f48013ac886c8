"""The records of the managed environment: where things lie, what is wanted, where files come from."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass, field, replace
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

from ..whisperx_common import extras, lockfile, standalone
from ..whisperx_common.models import STORE, USUAL
from ..whisperx_common.names import normalise
from ..whisperx_problem import Problem
from ..whisperx_release import model

__all__ = [
    "Carried",
    "Options",
    "Sources",
    "Wanted",
    "placed",
    "want",
]

# What makes an environment another one, beside the locked packages. Reasons, notes and the like do not.
_PLAN_PARTS = ("python", "python_path", "device", "environment", "loader_paths", "scripts")
_UNSAFE = re.compile(r"[^A-Za-z0-9.+_]")


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
class Options(model.Options):
    """How to apply; ``timeout`` of the installation in seconds.

    ``wheelhouse`` is the address of the site's own store, from which the host takes what an index would have.
    With ``hashes`` a build compares the contents of what it links with what was unpacked.
    """

    timeout: int = 3600
    sources: Sources = Sources()
    carried: Tuple[Carried, ...] = ()
    wheelhouse: str = field(default="", repr=False)
    hashes: bool = False


@dataclass(frozen=True)
class Wanted(model.Asked):
    """The environment to be: a plan, its lock, and the name both give it."""

    plan: Mapping[str, Any]
    lock: lockfile.Lock
    text: str
    name: str
    digest: str
    chosen: Tuple[str, ...] = ()

    @property
    def lock_digest(self) -> str:
        """SHA-256 of the lock's bytes."""
        return lockfile.digest(self.text)

    @property
    def extras(self) -> Tuple[extras.Extra, ...]:
        """The further packages, as the lock notes them."""
        return self.lock.extras

    @property
    def archive(self) -> Optional[standalone.Archive]:
        """The archive of its managed Python, None for the host's own Python."""
        return self.lock.archive

    @property
    def device(self) -> str:
        """The device the environment is for: "cpu" or "cuda"."""
        return str(self.plan.get("device") or "cpu")

    def site_packages(self, path: str) -> str:
        """Return where the release at ``path`` has its packages."""
        return os.path.join(path, "lib", "python{}".format(self.plan["python"]), "site-packages")

    @property
    def environment(self) -> Dict[str, str]:
        """The variables the plan sets for every command."""
        return {str(key): str(value) for key, value in (self.plan.get("environment") or {}).items()}


def placed(plan: Mapping[str, Any], models_dir: str) -> Mapping[str, Any]:
    """Return a plan whose commands look for placed models in ``models_dir``, if that is not the usual one."""
    if models_dir in ("", USUAL):
        return plan
    return {**plan, "environment": {**(plan.get("environment") or {}), STORE: models_dir}}


def want(plan: Mapping[str, Any], text: str, commands: Sequence[str] = ()) -> Wanted:
    """Join a plan and the text of its lock. ``commands`` are those to link, all when empty.

    Raises Problem: "lock.malformed", "env.plan-refused" for a plan that is none, "env.lock-mismatch" when the
    lock was made for another Python or device, "env.unknown-command" for a command that no package has.
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
                "Resolve a new lock (whisperx_plan_state: upgrade).",
            )
    if "python_source" in plan and (plan["python_source"] == "managed") != (lock.archive is not None):
        raise Problem(
            "env.lock-mismatch",
            "the lock has {} managed Python".format("a" if lock.archive else "no"),
            "option lock",
            "Python from {}, as the plan says".format(plan["python_source"]),
            "Resolve a new lock (whisperx_plan_state: upgrade).",
        )
    parts = {key: plan.get(key) for key in _PLAN_PARTS}
    parts["packages"] = lock.header["content"]
    wanted = Wanted(plan, lock, text, "", "")
    chosen = extras.chosen(wanted.commands, commands, "whisperx_venv_commands")
    # Left out where there is none, so that the releases of before there were any keep their names.
    if lock.header.get("extras"):
        parts["extras"] = lock.header["extras"]
    if chosen:
        parts["commands"] = list(chosen)
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode("utf-8")).hexdigest()
    main = _main_package(plan, lock)
    flavour = lock.header["torch-build"] or str(plan.get("device") or "cpu")
    name = "-".join(_UNSAFE.sub("_", part) for part in (main, lock.versions[main], flavour, digest[:12]))
    return replace(wanted, name=name, digest=digest, chosen=chosen)


def _main_package(plan: Mapping[str, Any], lock: lockfile.Lock) -> str:
    """Return the requested package that names the release: the first that is locked."""
    for name in plan.get("request") or {}:
        if normalise(name) in lock.versions:
            return normalise(name)
    asked = ", ".join(plan.get("request") or {}) or "none"
    raise Problem(
        "env.lock-mismatch",
        "none of the requested packages ({}) is in the lock".format(asked),
        "option lock",
        "a lock of this plan",
        "Resolve a new lock (whisperx_plan_state: upgrade).",
    )
