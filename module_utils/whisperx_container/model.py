"""The records of the container runtime on a host: what is wanted, what is there, what was done."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..whisperx_common import extras
from ..whisperx_common.models import USUAL
from ..whisperx_problem import Problem
from ..whisperx_release import model

__all__ = ["CURRENT", "LABEL", "REPOSITORY", "Found", "Options", "Result", "Wanted", "want"]

# Every image of this toolkit is a tag of this name; `current` is the one in use.
REPOSITORY = "localhost/whisperx-fleet"
CURRENT = REPOSITORY + ":current"
LABEL = "whisperx-fleet."


@dataclass(frozen=True)
class Wanted(model.Asked):
    """The image to be in use. ``built`` is what its build answered: release, labels, bytes and so on."""

    plan: Mapping[str, Any]
    built: Mapping[str, Any]
    engine: str
    chosen: Tuple[str, ...] = ()

    @property
    def release(self) -> str:
        """The release inside the image."""
        return str(self.built["release"])

    @property
    def image(self) -> str:
        """The image's name on the host."""
        return "{}:{}".format(REPOSITORY, self.release)

    @property
    def name(self) -> str:
        """Name of its directory below releases/. The engine is part of it: its commands are that engine's."""
        return "{}-{}".format(self.release, self.engine)

    @property
    def labels(self) -> Dict[str, str]:
        """The labels that the build gave it, without their prefix."""
        return plain(self.built.get("labels") or {})

    @property
    def container(self) -> Dict[str, Any]:
        """The plan's part about containers."""
        return dict(self.plan.get("container") or {})

    @property
    def device(self) -> str:
        """ "cpu" or "cuda"."""
        return str(self.plan.get("device") or "cpu")

    @property
    def driver(self) -> str:
        """The oldest NVIDIA driver that the image takes, "" when it needs none."""
        if self.device != "cuda":
            return ""
        return self.labels.get("driver-minimum", "") or str(self.container.get("driver_minimum") or "")

    @property
    def gpu(self) -> str:
        """How the engine hands GPUs on: "cdi", "device_request", or "" for not at all."""
        if self.device != "cuda":
            return ""
        return str(self.container.get("gpu") or ("cdi" if self.engine == "podman" else "device_request"))

    @property
    def extras(self) -> Tuple[extras.Extra, ...]:
        """The further packages in the image, as its lock notes them."""
        return extras.read(self.labels.get("extras", ""))

    @property
    def versions(self) -> Dict[str, str]:
        """Version by package in the image, {} where the build did not say."""
        try:
            found = json.loads(self.labels.get("versions", "") or "{}")
        except ValueError:
            return {}
        return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Options(model.Options):
    """How to apply; as the role documents.

    ``copied``: whether the archive will be copied to the host, which takes room.
    """

    store: str = ""
    storage_driver: str = "overlay"
    network: str = ""
    cache: str = ""
    models_dir: str = USUAL
    shm: str = "1g"
    options: Tuple[str, ...] = ()
    copied: bool = True


@dataclass(frozen=True)
class Found:
    """An image of this toolkit in the engine's storage. ``labels`` without their prefix; ``layers`` are the
    digests of what they unpack to, lowest first."""

    id: str
    tags: Tuple[str, ...]
    architecture: str
    labels: Mapping[str, str]
    layers: Tuple[str, ...] = ()

    @property
    def release(self) -> str:
        """The release inside."""
        return str(self.labels.get("release", ""))

    @property
    def name(self) -> str:
        """The name it has to have."""
        return "{}:{}".format(REPOSITORY, self.release)


@dataclass
class Result(model.Outcome):
    """What was done or, in check mode, would be; and what is left for the image modules of the role.

    ``load``: the host lacks the image; ``there`` are the releases it has images of, ``layers`` the digests of
    the layers of these. ``tag``: `current`
    must come to lead to ``image``. ``surplus``: names of images that no release needs.
    """

    engine: str = ""
    image: str = ""
    load: bool = False
    there: List[str] = field(default_factory=list)
    layers: List[str] = field(default_factory=list)
    tag: bool = False
    surplus: List[str] = field(default_factory=list)


def plain(labels: Mapping[str, Any]) -> Dict[str, str]:
    """Return our labels without their prefix."""
    return {str(key)[len(LABEL) :]: str(value) for key, value in labels.items() if str(key).startswith(LABEL)}


def want(
    plan: Mapping[str, Any], built: Optional[Mapping[str, Any]], engine: str, commands: Sequence[str] = ()
) -> Wanted:
    """Join a plan and the answer of its image's build. ``engine`` is the role's choice, "" for the plan's.

    ``commands`` are those to link, all when empty. Raises Problem "container.plan-refused",
    "container.no-build", "container.no-engine", or "env.unknown-command" for a command that is not there.
    """
    if plan.get("verdict", "plan") != "plan" or plan.get("runtime") != "container":
        raise Problem(
            "container.plan-refused",
            "verdict {}, runtime {}".format(plan.get("verdict", "plan"), plan.get("runtime")),
            "option plan",
            "a plan with verdict 'plan' and runtime 'container'",
            "Set whisperx_plan_runtime to container or auto, and read the plan's reasons.",
        )
    if not built or not built.get("release"):
        raise Problem(
            "container.no-build",
            "no image was built for class {}".format(plan.get("class")),
            "option image",
            "the answer of the role whisperx_image",
            "Run site.yml, which builds the image of every class before this step.",
        )
    chosen = engine or str((plan.get("container") or {}).get("engine") or "")
    if chosen not in ("podman", "docker"):
        raise Problem(
            "container.no-engine",
            "the plan names {}".format("engine '{}'".format(chosen) if chosen else "no engine"),
            "option plan",
            "podman or docker",
            "Install one (package podman, or docker.io), or set whisperx_container_install.",
        )
    wanted = Wanted(plan, built, chosen)
    picked = extras.chosen(wanted.commands, commands, "whisperx_container_commands")
    return dataclasses.replace(wanted, chosen=picked)
