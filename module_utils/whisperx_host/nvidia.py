"""The NVIDIA driver: the version of the kernel module, that of the user-space libraries, and whether they
work.

The driver's "cuda" is the newest CUDA it can serve; it has nothing to do with installed toolkits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Dict, List, Optional, Sequence, Tuple

from ..whisperx_common.tree import Tree
from ..whisperx_problem import Problem
from .libc import LIB_DIRECTORIES
from .live import Live
from .model import Driver

__all__ = ["Module", "Nvidia", "library_version", "parse_nvrm", "parse_sysfs", "read_nvidia"]

if TYPE_CHECKING:
    from .nvml import Answer

_VERSION = re.compile(r"^\d{2,4}(?:\.\d{1,4}){1,2}$")
_NVRM = re.compile(r"Kernel Module(?: for \S+)?\s+(\S+)")
_SUFFIX = re.compile(r"\.so\.(\d{3,4}(?:\.\d{1,4}){1,2})$")
_LIBRARIES = ("libnvidia-ml.so.1", "libcuda.so.1")
# The device that every CUDA context opens, and NVML does not.
_UVM = "/dev/nvidia-uvm"
_WSL_DIRECTORY = "/usr/lib/wsl/lib"
# Where libraries lie outside of the loader's cache: WSL, NixOS, GKE, the driver container, Debian, Jetson.
_DIRECTORIES = (
    _WSL_DIRECTORY,
    "/run/opengl-driver/lib",
    "/usr/local/nvidia/lib64",
    "/run/nvidia/driver/usr/lib/x86_64-linux-gnu",
    "/run/nvidia/driver/usr/lib64",
    "/usr/lib/x86_64-linux-gnu/nvidia/current",
    "/usr/lib64/nvidia",
    "/usr/lib/aarch64-linux-gnu/nvidia",
    "/usr/lib/aarch64-linux-gnu/tegra",
)


@dataclass(frozen=True)
class Module:
    """The loaded kernel module: its version, and whether it is the open one, None if that is unknown."""

    version: str
    open: Optional[bool]


@dataclass(frozen=True)
class Nvidia:
    """The driver, and NVML's answer when it was asked (its devices are the GPUs)."""

    driver: Driver
    answer: Optional[Answer] = None


@dataclass(frozen=True)
class Place:
    """What surrounds the driver: the container's name, WSL, Jetson, Secure Boot, a GPU on the PCI bus."""

    container: Optional[str]
    wsl: bool
    tegra: bool
    secure_boot: Optional[bool]
    gpu_drivers: Tuple[str, ...]


def _checked(version: str, where: str) -> str:
    """Return the version if it looks like one of a driver, else raise: a guess would mislead."""
    if not _VERSION.match(version):
        raise Problem(
            "host.driver-version",
            f"not a version of the NVIDIA driver: {version[:80]!r}",
            where,
            'numbers such as "570.124.06"',
            "Describe it with whisperx_host_assume: {nvidia_driver: {version: ..., state: ...}}.",
        )
    return version


def parse_sysfs(text: str) -> str:
    """Return the version in ``/sys/module/nvidia/version``: ``570.124.06``."""
    return _checked(text.strip(), "/sys/module/nvidia/version")


def parse_nvrm(text: str) -> Module:
    """Return the module of ``/proc/driver/nvidia/version``, whose first line is one of

    NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024
    NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.124.06  Release Build  (dvs-builder@...)
    """
    match = _NVRM.search(text)
    version = _checked(match.group(1) if match else text.strip(), "/proc/driver/nvidia/version")
    return Module(version, "Open Kernel Module" in text)


def library_version(path: str) -> Optional[str]:
    """Return the driver version that ends a library's real name, ``libcuda.so.570.124.06``.

    WSL and Jetson have short suffixes (``libcuda.so.1.1``) that are none: None.
    """
    match = _SUFFIX.search(path)
    return match.group(1) if match else None


def _read_module(tree: Tree, sources: Dict[str, str]) -> Optional[Module]:
    """Find the loaded module: 1. ``/sys/module/nvidia/version``; 2. ``/proc/driver/nvidia/version``.

    Both show the host's module in every container, GPU passed in or not.
    """
    plain = tree.text("/sys/module/nvidia/version")
    rich = tree.text("/proc/driver/nvidia/version")
    if plain is not None:
        sources["nvidia_driver.version"] = "/sys/module/nvidia/version"
        return Module(parse_sysfs(plain), "Open Kernel Module" in rich if rich else None)
    if rich is not None:
        sources["nvidia_driver.version"] = "/proc/driver/nvidia/version"
        return parse_nvrm(rich)
    return None


def _read_libraries(tree: Tree, cached: Sequence[Tuple[str, str]]) -> List[str]:
    """Return the paths of NVML and libcuda: 1. those of the loader's cache; 2. those in known directories."""
    found = [path for soname, path in cached if soname in _LIBRARIES and tree.exists(path)]
    for directory in LIB_DIRECTORIES + _DIRECTORIES:
        for name in _LIBRARIES:
            path = f"{directory}/{name}"
            if path not in found and tree.exists(path):
                found.append(path)
    return found


def _user_version(tree: Tree, libraries: Sequence[str]) -> Optional[str]:
    """Return the version of the user-space driver, by NVML's library before libcuda.

    A libcuda in a ``compat`` directory is CUDA's forward compatibility package, newer by intent.
    """
    for path in sorted(libraries, key=lambda path: "libnvidia-ml" not in path):
        real = tree.real(path)
        version = library_version(real)
        if version and "/compat/" not in real:
            return version
    return None


def read_nvidia(
    tree: Tree, live: Live, place: Place, cached: Sequence[Tuple[str, str]], sources: Dict[str, str]
) -> Nvidia:
    """Find out whether the driver works.

    1. Without module (WSL and Jetson have none) it is absent, or unusable if only its libraries are
       installed.
    2. A module without device nodes in a container is the host's: absent here.
    3. Module and libraries of different versions are a mismatch; nothing is started to see that.
    4. Else NVML decides, on a machine that runs; in a tree that does not, the files stand.
    """
    module = _read_module(tree, sources)
    libraries = _read_libraries(tree, cached)
    if place.wsl:
        libraries.sort(key=lambda path: not path.startswith(_WSL_DIRECTORY))
    user = _user_version(tree, libraries)
    version = module.version if module else None
    known = Driver(version, state="running", open=module.open if module else False)
    if module is None and not ((place.wsl or place.tegra) and libraries):
        return Nvidia(_no_module(place, user, sources))
    if module is not None:
        state, detail = _judge_files(tree, place, module, user, libraries)
        if state == "absent":
            return Nvidia(Driver(detail=detail))
        if state:
            return Nvidia(replace(known, state=state, detail=detail))
    if live.nvml is None:
        return Nvidia(known)
    answer = live.nvml([path for path in libraries if "libnvidia-ml" in path] or [_LIBRARIES[0]])
    return _judge_answer(known, answer, place, sources)


def _no_module(place: Place, user: Optional[str], sources: Dict[str, str]) -> Driver:
    """Say why there is no driver, as far as files tell."""
    sources["nvidia_driver"] = "no /sys/module/nvidia/version, no /proc/driver/nvidia/version"
    others = sorted({driver for driver in place.gpu_drivers if driver and driver != "nvidia"})
    if not place.gpu_drivers:
        installed = f"user-space libraries {user} are installed, but there is no NVIDIA GPU on the PCI bus"
        return Driver(detail=installed if user else "")
    if user and not others and not place.container:
        why = "run modprobe nvidia and read dmesg"
        if place.secure_boot:
            why = "Secure Boot is on and refuses unsigned modules: enrol the module's key with mokutil"
        return Driver(
            version=user,
            state="unusable",
            open=None,
            detail=f"user-space libraries {user} are installed, but the kernel module is not loaded; {why}",
        )
    if others:
        return Driver(detail="the GPU is bound to {}, not to NVIDIA's driver".format(", ".join(others)))
    secure = "; Secure Boot is on, its module will have to be signed" if place.secure_boot else ""
    return Driver(detail=f"there is a GPU, but NVIDIA's driver is not installed{secure}")


def _judge_files(
    tree: Tree, place: Place, module: Module, user: Optional[str], libraries: Sequence[str]
) -> Tuple[str, str]:
    """Return (state, detail) if files alone show that the driver fails, ("", "") if they look well."""
    nodes = [name for name in tree.names("/dev") if re.match(r"^nvidia\d+$", name)]
    if place.container and not (nodes and tree.exists("/dev/nvidiactl")):
        shows = f"the host's kernel module {module.version} shows"
        return "absent", f"{shows}, but no GPU device is passed into this container"
    if user and user != module.version:
        differ = f"kernel module {module.version}, user-space libraries {user}"
        return "mismatch", f"{differ}; reboot the host or reload the module"
    if not libraries:
        cure = "install the driver's user-space libraries"
        if place.container:
            cure = "start the container with the NVIDIA Container Toolkit (CDI)"
        return (
            "unusable",
            f"kernel module {module.version} without libcuda.so.1 and libnvidia-ml.so.1; {cure}",
        )
    if place.container and not tree.exists(_UVM):
        return (
            "unusable",
            f"{_UVM} is not passed into this container: NVML and nvidia-smi work without it, CUDA does not; "
            "load nvidia-uvm on the container's host and pass the device in as the others are",
        )
    return "", ""


def _judge_answer(known: Driver, answer: Answer, place: Place, sources: Dict[str, str]) -> Nvidia:
    """Turn NVML's answer into the state; devices that are lost are told in ``detail``."""
    from .nvml import MISMATCH, code_sentence

    version = known.version
    if answer.driver and not version:
        version = _checked(answer.driver, "nvmlSystemGetDriverVersion")
        sources["nvidia_driver.version"] = "nvmlSystemGetDriverVersion"
    known = replace(known, version=version)
    if answer.failure:
        sources["nvidia_driver.state"] = "NVML"
        state = "mismatch" if answer.code == MISMATCH else "unusable"
        return Nvidia(replace(known, state=state, detail=answer.failure))
    sources["nvidia_driver.state"] = "NVML"
    if answer.cuda:
        sources["nvidia_driver.cuda"] = "nvmlSystemGetCudaDriverVersion_v2"
    lost = [f"GPU {device.index}: {code_sentence(device.error)}" for device in answer.devices if device.error]
    works = len(lost) < len(answer.devices)
    detail = "; ".join(lost)
    if not answer.devices:
        detail = "NVML sees no GPU"
    return Nvidia(
        replace(known, cuda=answer.cuda, state="running" if works else "unusable", detail=detail), answer
    )
