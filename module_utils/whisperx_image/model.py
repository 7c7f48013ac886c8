"""The records of an image build: what is asked for, and what it is called."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..whisperx_common.files import sha256
from ..whisperx_common.progress import Progress
from ..whisperx_env.model import Sources, Wanted
from ..whisperx_problem import Problem
from .models import Models

__all__ = ["LABEL", "REPOSITORY", "Base", "Job", "Settings", "base_of", "labels", "same"]

REPOSITORY = "localhost/whisperx-fleet"
LABEL = "whisperx-fleet."
# Counts up when a build makes other layers of the same inputs.
RECIPE = "1"


@dataclass(frozen=True)
class Base:
    """What an image stands on: an image ``reference``, or the tar ``root`` of a root file system."""

    reference: str = ""
    root: str = ""

    @property
    def name(self) -> str:
        """The base in words: the reference, or the file's name."""
        return self.reference or os.path.basename(self.root)

    def digest(self) -> str:
        """Return "sha256:…" of the root or of a pinned reference, "" for a reference that may move.

        Raises Problem "image.base" when the root cannot be read.
        """
        if not self.root:
            _name, _separator, pin = self.reference.partition("@")
            return pin
        try:
            return "sha256:" + sha256(self.root)
        except OSError as error:
            raise Problem(
                "image.base",
                error.strerror or str(error),
                self.root,
                "the tar of a root file system on the machine that builds",
                "Correct whisperx_plan_container_root.",
            ) from None


@dataclass(frozen=True)
class Settings:
    """How to build. ``directory`` holds archives and downloads; times in seconds; ``keep`` archives stay.

    ``progress``: the file, alone in its directory, that says how far a build is; none when empty.
    """

    directory: str
    engine: str = "auto"
    network: str = "host"
    cache: str = ""
    verify_level: str = "pipeline"
    timeout: int = 3600
    verify_timeout: int = 600
    keep: int = 2
    progress: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    sources: Sources = field(default_factory=Sources)

    def tell(self, release: str, step: str) -> None:
        """Note which step of a release's image begins."""
        Progress(self.progress, f"image {release}").step(step)


@dataclass(frozen=True)
class Job:
    """One image to build.

    ``files``: what the lock carries, with uv (``file`` is "uv"), and paths on this machine. ``models``: those
    that the image shall have.
    """

    wanted: Wanted
    base: Base
    files: tuple[dict[str, str], ...]
    settings: Settings
    models: Models = field(default_factory=Models)

    @property
    def container(self) -> dict[str, Any]:
        """What the plan says about its container."""
        return dict(self.wanted.plan.get("container") or {})

    @property
    def release(self) -> str:
        """The id of the release in it, as engines take it for a tag; other models make another release."""
        return tag(self.wanted.name + self.models.mark)

    @property
    def image(self) -> str:
        """The image's name."""
        return f"{REPOSITORY}:{self.release}"

    @property
    def class_name(self) -> str:
        """The class of hosts that the image is for."""
        return str(self.wanted.plan.get("class") or self.wanted.lock.header["class"])

    @property
    def archive(self) -> str:
        """Where the archive goes."""
        return os.path.join(self.settings.directory, self.class_name, self.release + ".tar")

    @property
    def commands(self) -> list[list[str]]:
        """What installs the distribution's packages into the base; none where nothing is missing."""
        return [list(command) for command in self.container.get("commands") or []]

    @property
    def layers(self) -> list[dict[str, Any]]:
        """Which packages share a layer, lowest first."""
        return [dict(row) for row in self.container.get("layers") or []]


def tag(release: str) -> str:
    """Return a release's id as the tag of an image: the same but for the one letter that tags do not have."""
    return release.replace("+", "_")


def base_of(plan: Mapping[str, Any], root: str) -> Base:
    """Return the base that a plan names; ``root`` is the tar on this machine where it is a root.

    Raises Problem "image.plan" for a plan that is not for a container.
    """
    container = plan.get("container") or {}
    if plan.get("runtime") != "container" or not container.get("base"):
        raise Problem(
            "image.plan",
            "runtime {}".format(plan.get("runtime")),
            "option plan",
            "a plan for a container",
            "Set whisperx_plan_runtime to container or auto.",
        )
    if root:
        return Base(root=os.path.abspath(os.path.expanduser(root)))
    return Base(reference=str(container["base"]))


def labels(job: Job, base_digest: str) -> dict[str, str]:
    """Return the labels of the image; all are texts."""
    wanted, plan = job.wanted, job.wanted.plan
    own = {
        "schema": "1",
        "recipe": "-".join((RECIPE, _short([job.commands, job.layers]))),
        "class": job.class_name,
        "release": job.release,
        "plan": wanted.digest,
        "lock": wanted.lock_digest,
        "catalogue": str(plan.get("catalogue") or wanted.lock.header.get("catalogue") or ""),
        "base": "@".join(filter(None, (job.base.name.partition("@")[0], base_digest))),
        "versions": json.dumps(wanted.lock.versions, sort_keys=True),
        "device": wanted.device,
        "driver-minimum": str(job.container.get("driver_minimum") or ""),
        "machine": str(plan.get("machine") or ""),
    }
    if job.models.identity:
        own["models"] = job.models.identity
    if wanted.lock.header.get("extras"):
        own["extras"] = wanted.lock.header["extras"]
    return {
        "org.opencontainers.image.title": "whisperx-fleet",
        **{LABEL + key: value for key, value in own.items()},
    }


def _short(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]


def same(job: Job, base_digest: str, found: Mapping[str, str]) -> bool:
    """Say whether an image with the labels ``found`` is the one that is asked for.

    Where the base is a reference without digest, whatever it was when the image was built counts: that is
    written in the label, and pins it until plan or lock change.
    """
    wished = labels(job, base_digest)
    key = LABEL + "base"
    if not base_digest:
        name = job.base.name
        if not str(found.get(key, "")).startswith(name + "@") and found.get(key) != name:
            return False
        wished[key] = str(found[key])
    # Another catalogue that comes to the same plan and lock makes no other image.
    key = LABEL + "catalogue"
    return {**found, key: ""} == {**wished, key: ""}
