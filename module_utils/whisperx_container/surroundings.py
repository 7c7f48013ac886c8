"""Is this host fit to run the image? Asked before anything is brought to it."""

from __future__ import annotations

import os
import shutil
from typing import Callable, List, Tuple

from ..whisperx_env.files import read_text
from ..whisperx_host import engines
from ..whisperx_host.tree import Tree
from ..whisperx_problem import Problem
from .model import Found, Options, Wanted

__all__ = ["check_gpu", "check_machine", "check_room"]

_MIB = 1024 * 1024
_CDI = ("/etc/cdi", "/var/run/cdi")
# What images call a machine -> what the kernel calls it.
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
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
    wanted: Wanted, options: Options, root: str, copied: bool, statvfs: Statvfs = os.statvfs
) -> None:
    """Raise Problem "container.disk-space" when image, and archive if it is ``copied``, would not fit.

    A size that the build did not tell counts as nothing.
    """
    size = int(wanted.built.get("bytes") or 0)
    wish = size * (2 if copied else 1) + _SPARE
    place = options.store or root
    while not os.path.isdir(place) and os.path.dirname(place) != place:
        place = os.path.dirname(place)
    answer = statvfs(place)
    room = answer.f_bavail * answer.f_frsize
    if room < wish:
        raise Problem(
            "container.disk-space",
            "{} MiB free".format(room // _MIB),
            place,
            "{} MiB, for an image of {} MiB{}".format(
                -(-wish // _MIB), -(-size // _MIB), " and its archive" if copied else ""
            ),
            "Free some space, or set whisperx_container_store to a larger file system.",
        )


def check_gpu(wanted: Wanted, docker_runtimes: Callable[[], str], root: str = "/") -> None:
    """Raise Problem when this host cannot hand its GPU to the image.

    ``docker_runtimes`` answers what docker knows. Ids: "container.driver", "container.device-nodes",
    "container.no-toolkit", "container.cdi".
    """
    if not wanted.gpu or os.path.exists(os.path.join(root, "dev/dxg")):
        return
    _check_driver(wanted, root)
    if wanted.gpu == "cdi":
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
    if wanted.driver and (not driver or _numbers(driver) < _numbers(wanted.driver)):
        raise Problem(
            "container.driver",
            "NVIDIA driver {}".format(driver) if driver else "no NVIDIA driver is loaded",
            "/sys/module/nvidia/version",
            "{} or newer, for {}".format(wanted.driver, wanted.image),
            "Upgrade the driver, or plan anew with this host's facts.",
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
    if all(stale for _, stale in seen):
        path, stale = seen[0]
        raise Problem(
            "container.cdi",
            "the specification mounts {}, which does not exist".format(stale[0]),
            path,
            "one of the driver that is loaded",
            "Run nvidia-ctk cdi generate --output={}.".format(path),
        )


def _numbers(version: str) -> Tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
