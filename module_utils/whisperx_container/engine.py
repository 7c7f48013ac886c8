"""What an engine knows, read through its own command. Nothing is changed here."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import Any, Dict, List, Tuple

from ..whisperx_common.versions import numbers
from ..whisperx_problem import Problem
from .model import LABEL, Found, plain

__all__ = ["Engine", "complaint", "find"]

# Seconds an engine may take to answer a question. A storage on a slow disk under load needs a few.
PATIENCE = 120
# Looked through after the caller's own.
_PATH = ":/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
# engine -> what a distribution calls its package
_PACKAGES = {"podman": "podman", "docker": "docker.io (Debian, Ubuntu), moby-engine (Fedora) or docker"}

# Words of an engine's complaint -> id, what is wanted, the next step. Both engines print them in English.
_COMPLAINTS: Tuple[Tuple[str, str, str, str], ...] = (
    (
        r"cannot connect to the docker daemon|docker\.sock: connect",
        "container.engine-down",
        "docker's daemon at work",
        "Run systemctl start docker, and look at journalctl --unit docker.",
    ),
    (
        r"no space left on device|disk quota exceeded",
        "container.disk-space",
        "room in the engine's storage",
        "Free some space, or set whisperx_container_store to a larger file system.",
    ),
    (
        r"exec format error|image platform .* does not match",
        "container.other-machine",
        "an image for this machine's architecture",
        "Build the image for this host's class; site.yml does.",
    ),
    (
        r"unresolvable CDI device|nvidia\.com/gpu.*(not found|unresolvable)|stat .*libcuda\.so",
        "container.cdi",
        "a CDI specification of the driver that is loaded",
        "Run nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml.",
    ),
    (
        r"could not select device driver",
        "container.no-toolkit",
        "the NVIDIA container toolkit, known to docker",
        "Install the package nvidia-container-toolkit, run nvidia-ctk runtime configure, restart docker.",
    ),
    (
        r"no subuid ranges|newuidmap|cannot set up namespace",
        "container.rootless",
        "ranges of user ids for this user",
        "Run usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER.",
    ),
    (
        r"not supported over overlayfs|kernel does not support overlay",
        "container.storage-driver",
        "a file system that overlays can lie on",
        "Set whisperx_container_store to a directory on ext4 or xfs, or the storage driver to vfs.",
    ),
)


@dataclass(frozen=True)
class Engine:
    """An engine on this host: name, absolute path, and two files that name storages, "" for its own.

    ``storage_conf`` leads to the images of all users, to be changed there; ``run_conf`` to what root runs,
    with those images beneath, read-only: podman's lists would be closed to other users by every run there.
    """

    name: str
    path: str
    storage_conf: str = ""
    run_conf: str = ""

    def environment(self) -> Dict[str, str]:
        """Return what the engine's command, and the modules that call it, need in their environment.

        Podman from version 5 on refuses to say anything when it is told of a file that is not there.
        """
        there = bool(self.storage_conf) and os.path.exists(self.storage_conf)
        return {"CONTAINERS_STORAGE_CONF": self.storage_conf} if there else {}

    def run(self, *arguments: str, conf: str = "") -> str:
        """Return what the engine prints, nothing while it is not there. Raises Problem, see ``complaint``."""
        if not self.path:
            return ""
        storage = {"CONTAINERS_STORAGE_CONF": conf} if conf else self.environment()
        try:
            ended = subprocess.run(  # no AnsibleModule here  # pylint: disable=ansible-bad-function
                [self.path, *arguments],
                env=dict(os.environ, **storage),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise complaint(self.name, arguments, "no answer within {} s".format(PATIENCE)) from None
        if ended.returncode:
            raise complaint(self.name, arguments, ended.stderr.decode("utf-8", "replace"))
        return ended.stdout.decode("utf-8", "replace")

    def version(self) -> Tuple[int, ...]:
        """Return the version as numbers."""
        match = re.search(r"(\d+(?:\.\d+)+)", self.run("--version"))
        return numbers(match.group(1)) if match else ()

    def storage_root(self) -> str:
        """Return the directory in which the engine stores images, "" where it does not say."""
        name = "{{.DockerRootDir}}" if self.name == "docker" else "{{.Store.GraphRoot}}"
        return self.run("info", "--format", name).strip()

    def images(self) -> List[Found]:
        """Return every image of this toolkit that has one of its names, sorted by release."""
        if self.storage_conf and not os.path.exists(self.storage_conf):
            return []
        ids = self.run("images", "--quiet", "--no-trunc", "--filter", "label={}schema".format(LABEL)).split()
        if not ids:
            return []
        records = json.loads(self.run("image", "inspect", *sorted(set(ids))))
        found = [_image(record) for record in records]
        named = [image for image in found if image.release and image.name in image.tags]
        return sorted(named, key=lambda image: image.release)

    def remove_containers(self, label: str) -> None:
        """Remove the containers with a label, running ones too: what a killed proof may have left."""
        ids = self.run("ps", "--all", "--quiet", "--filter", "label=" + label, conf=self.run_conf).split()
        if ids:
            self.run("rm", "--force", *ids, conf=self.run_conf)


def find(name: str, storage_conf: str = "", run_conf: str = "", missing_is_well: bool = False) -> Engine:
    """Return the engine of that name, with no path and no images if its absence is well.

    Raises Problem "container.engine-missing".
    """
    path = shutil.which(name, path=os.environ.get("PATH", "") + _PATH)
    if path is None and not missing_is_well:
        raise Problem(
            "container.engine-missing",
            "no command {}".format(name),
            "the PATH",
            "the engine {}, as the plan says".format(name),
            "Install the package {}, or set whisperx_container_install: true.".format(
                _PACKAGES.get(name, name)
            ),
        )
    confs = (storage_conf, run_conf) if name == "podman" else ("", "")
    return Engine(name, path or "", *confs)


def complaint(name: str, arguments: Tuple[str, ...], text: str) -> Problem:
    """Return what an engine says as a Problem whose id tells the cause, "container.engine" for any other."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    told = lines[-1].strip() if lines else "it ended without a word"
    where = "{} {}".format(name, " ".join(arguments[:2]))
    for pattern, rule, wanted, remedy in _COMPLAINTS:
        if re.search(pattern, text, re.IGNORECASE):
            return Problem(rule, told, where, wanted, remedy)
    return Problem(
        "container.engine",
        told,
        where,
        "an engine that does what it is asked",
        "Try '{}' by hand; the active release is untouched.".format(where),
    )


def _image(record: Dict[str, Any]) -> Found:
    labels = record.get("Labels") or (record.get("Config") or {}).get("Labels") or {}
    tags = [str(tag) for tag in record.get("RepoTags") or []]
    identity = str(record.get("Id", ""))
    digest = identity[len("sha256:") :] if identity.startswith("sha256:") else identity
    layers = tuple(str(layer) for layer in (record.get("RootFS") or {}).get("Layers") or [])
    return Found(digest, tuple(sorted(tags)), str(record.get("Architecture", "")), plain(labels), layers)
