"""Is this host fit to run the image? Asked before anything is brought to it."""

from __future__ import annotations

import os
import shutil
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

from ..whisperx_common.files import read_text
from ..whisperx_common.tree import Tree
from ..whisperx_common.versions import numbers
from ..whisperx_host import engines
from ..whisperx_problem import Problem
from ..whisperx_release.disk import existing
from .model import Found, Wanted

__all__ = ["check_gpu", "check_machine", "check_room"]

_MIB = 1024 * 1024
_CDI = ("/etc/cdi", "/var/run/cdi")
# What images call a machine -> what the kernel calls it.
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
# Source: NVIDIA container toolkit, "Support for Container Device Interface".
_KNOWS_CDI = (4, 1)
# Beside the image itself: the engine's own records.
_SPARE = 128 * _MIB

Statvfs = Callable[[str], os.statvfs_result]


def check_machine(wanted: Wanted, found: Found, machine: str) -> None:
    """Raise Problem "container.other-machine" for an image that this machine's processor cannot run."""
    of_image = _MACHINES.get(found.architecture, found.architecture) or wanted.labels.get("machine", "")
    if of_image and of_image != machine:
        raise Problem(
            "container.other-machine",
            "the image is for {}".format(of_image),
            found.name,
            "one for {}".format(machine),
            "Remove the image here, then run site.yml, which brings the one of this host's class.",
        )


def check_room(
    wanted: Wanted,
    layers: Sequence[str],
    storage: str,
    incoming: str,
    copied: bool,
    statvfs: Statvfs = os.statvfs,
) -> None:
    """Raise Problem "container.disk-space" when the image would not fit while it is brought.

    Beside its ``storage`` an engine unpacks what it is given: podman in ``incoming``, docker in its storage.
    An archive that is ``copied`` lies in ``incoming``, too. Of a host's ``layers`` only those count that it
    lacks, if there is a copy without the others. A size that was not told counts as nothing.
    """
    size = int(brought(wanted, layers).get("bytes") or 0)
    unpacked = incoming if wanted.engine == "podman" else storage
    wishes: Dict[str, int] = {}
    for path, wish in ((storage, size + _SPARE), (unpacked, size), (incoming, size if copied else 0)):
        place = existing(path)
        same = next((known for known in wishes if os.stat(known).st_dev == os.stat(place).st_dev), place)
        wishes[same] = wishes.get(same, 0) + wish
    for place, wish in wishes.items():
        answer = statvfs(place)
        room = answer.f_bavail * answer.f_frsize
        if room < wish:
            raise Problem(
                "container.disk-space",
                "{} MiB free".format(room // _MIB),
                place,
                "{} MiB, to bring {} MiB of an image".format(-(-wish // _MIB), -(-size // _MIB)),
                "Free some space, or set whisperx_container_store to a larger file system.",
            )


def brought(wanted: Wanted, layers: Sequence[str]) -> Mapping[str, Any]:
    """Return the archive that is enough for a host with these layers, as the role chooses it (load.yml)."""
    for copy in wanted.built.get("upgrades") or ():
        wanted_there = [copy["chain"]] if wanted.engine == "docker" else copy["without"]
        if set(wanted_there) <= set(layers):
            return dict(copy)
    return wanted.built


def check_gpu(
    wanted: Wanted,
    version: Callable[[], Tuple[int, ...]],
    docker_runtimes: Callable[[], str],
    root: str = "/",
) -> None:
    """Raise Problem when this host cannot hand its GPU to the image.

    ``version`` answers the engine's, () while it is not there; ``docker_runtimes`` what docker knows. Ids:
    "container.driver", "container.device-nodes", "container.old-engine", "container.no-toolkit",
    "container.cdi".
    """
    if not wanted.gpu or os.path.exists(os.path.join(root, "dev/dxg")):
        return
    _check_driver(wanted, root)
    if wanted.gpu == "cdi":
        found = version()
        if found and found < _KNOWS_CDI:
            raise Problem(
                "container.old-engine",
                "podman {} does not know CDI".format(_dotted(found)),
                "podman --version",
                "podman {} or newer, to hand on the GPU".format(_dotted(_KNOWS_CDI)),
                "Upgrade podman or the distribution, or set whisperx_container_engine to docker.",
            )
        _check_cdi(root)
    elif "nvidia" not in docker_runtimes() and not shutil.which("nvidia-container-runtime"):
        raise Problem(
            "container.no-toolkit",
            "docker knows no runtime 'nvidia'",
            "docker info",
            "the NVIDIA container toolkit",
            "Install the package nvidia-container-toolkit, run nvidia-ctk runtime configure, restart docker.",
        )


def _check_driver(wanted: Wanted, root: str) -> None:
    driver = (read_text(os.path.join(root, "sys/module/nvidia/version")) or "").strip()
    if wanted.driver and (not driver or numbers(driver) < numbers(wanted.driver)):
        raise Problem(
            "container.driver",
            "NVIDIA driver {}".format(driver) if driver else "no NVIDIA driver is loaded",
            "/sys/module/nvidia/version",
            "{} or newer, for {}".format(wanted.driver, wanted.image),
            "Upgrade the driver, or plan again with this host's facts.",
        )
    if not os.path.exists(os.path.join(root, "dev/nvidiactl")):
        raise Problem(
            "container.device-nodes",
            "/dev/nvidiactl does not exist",
            "/dev",
            "the driver's device nodes",
            "Run nvidia-smi once as root, or nvidia-modprobe -u -c 0.",
        )


def _check_cdi(root: str) -> None:
    tree = Tree(root)
    seen: List[Tuple[str, List[str]]] = []
    for directory in _CDI:
        for name in tree.names(directory):
            path = "{}/{}".format(directory, name)
            cdi = engines.parse_cdi(tree.text(path, private=True) or "")
            if cdi is not None and cdi.kind == "nvidia.com/gpu":
                seen.append((path, engines.stale_paths(tree, cdi)))
    if not seen:
        raise Problem(
            "container.no-toolkit",
            "no CDI specification of kind nvidia.com/gpu",
            " and ".join(_CDI),
            "one, which the NVIDIA container toolkit writes",
            "Install the package nvidia-container-toolkit, then run nvidia-ctk cdi generate "
            "--output=/etc/cdi/nvidia.yaml.",
        )
    if all(stale for _name, stale in seen):
        path, stale = seen[0]
        raise Problem(
            "container.cdi",
            "the specification mounts {}, which does not exist".format(stale[0]),
            path,
            "one of the driver that is loaded",
            "Run nvidia-ctk cdi generate --output={}.".format(path),
        )


def _dotted(version: Tuple[int, ...]) -> str:
    return ".".join(str(number) for number in version)
