"""The records of a probed host, and their one JSON shape: ``ansible_facts.whisperx_host``.

Absent is a value: None, an empty tuple, or the driver state "absent".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Optional, Tuple

from ..whisperx_common.gpu_vendors import NVIDIA

__all__ = [
    "SCHEMA",
    "Cpu",
    "Cudnn",
    "Driver",
    "Engine",
    "Ffmpeg",
    "Gpu",
    "Host",
    "Kernel",
    "Libc",
    "Mig",
    "Os",
    "Python",
    "Tegra",
    "Toolkit",
]

SCHEMA = 1


@dataclass(frozen=True)
class Os:
    """Identity of the distribution, in lower case: id "debian", version "13" ("" on rolling releases)."""

    id: Optional[str] = None
    version: Optional[str] = None
    codename: Optional[str] = None
    family: Optional[str] = None


@dataclass(frozen=True)
class Libc:
    """family "glibc" or "musl"; version is major.minor for glibc, the full number for musl."""

    family: Optional[str] = None
    version: Optional[str] = None


@dataclass(frozen=True)
class Kernel:
    """The kernel release as ``uname -r`` prints it."""

    release: Optional[str] = None


@dataclass(frozen=True)
class Cpu:
    """Flags (x86) or features (aarch64) of the first processor, in the kernel's order."""

    flags: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Python:
    """One interpreter by its real path.

    ``shared``: every user can reach and execute it. ``distutils``: that module of its standard library is
    there; Debian 11 and its kin keep it in a package of its own, and the tools of that time ask for it.
    ``weakness``: who else can change it, with the place and its owner, "" for nobody; it is then not
    ``trusted``, and the plan passes over it.
    """

    path: str
    version: str
    shared: bool = True
    distutils: bool = True
    trusted: bool = True
    weakness: str = ""


@dataclass(frozen=True)
class Mig:
    """Multi-Instance GPU: switched on, and how many instances exist (on with none: CUDA sees no device)."""

    enabled: bool
    instances: int


@dataclass(frozen=True)
class Gpu:
    """One GPU of any vendor. ``driver``: what is bound to it, such as "nvidia", "nouveau", "amdgpu" or "".

    ``compute_mode``: None for the default; ``licensed``: of a vGPU, None for others.
    """

    name: str
    compute_capability: Optional[str] = None
    memory_mib: Optional[int] = None
    uuid: Optional[str] = None
    pci_id: Optional[str] = None
    driver: str = ""
    mig: Optional[Mig] = None
    vendor: str = NVIDIA
    compute_mode: Optional[str] = None
    licensed: Optional[bool] = None


@dataclass(frozen=True)
class Driver:
    """The NVIDIA driver. ``cuda`` is the newest CUDA it speaks; ``detail`` says why it is not running.

    ``open``: whether its kernel modules are the open ones, None where that cannot be seen.
    """

    version: Optional[str] = None
    cuda: Optional[str] = None
    state: str = "absent"
    open: Optional[bool] = False
    detail: str = ""


@dataclass(frozen=True)
class Toolkit:
    """An installed CUDA toolkit (not what the driver can do): version major.minor."""

    version: str
    path: str


@dataclass(frozen=True)
class Cudnn:
    """A cuDNN library that the loader or a toolkit directory offers; path is that of the soname."""

    version: str
    path: str


@dataclass(frozen=True)
class Engine:
    """A container engine; ``cdi`` lists the device kinds for which CDI specifications exist."""

    name: str
    version: Optional[str] = None
    cdi: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Ffmpeg:
    """Majors of the installed libavutil libraries; path and version of the ffmpeg command."""

    libavutil: Tuple[int, ...] = ()
    path: Optional[str] = None
    version: Optional[str] = None


@dataclass(frozen=True)
class Tegra:
    """Jetson: the L4T release, "36.4"."""

    release: str


@dataclass(frozen=True)
class Host:
    """Everything that is known of one host. ``sources`` maps a fact ("libc.version") to where it was read."""

    os: Os = Os()
    libc: Libc = Libc()
    kernel: Kernel = Kernel()
    machine: Optional[str] = None
    cpu: Cpu = Cpu()
    pythons: Tuple[Python, ...] = ()
    gpus: Tuple[Gpu, ...] = ()
    nvidia_driver: Driver = Driver()
    cuda_toolkits: Tuple[Toolkit, ...] = ()
    cudnn: Tuple[Cudnn, ...] = ()
    container_engines: Tuple[Engine, ...] = ()
    cdi_problems: Tuple[str, ...] = ()
    ffmpeg: Ffmpeg = Ffmpeg()
    container: Optional[str] = None
    wsl: bool = False
    tegra: Optional[Tegra] = None
    secure_boot: Optional[bool] = None
    selinux: Optional[str] = None
    sources: Dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> Dict[str, Any]:
        """Return the facts as plain JSON data with the schema number first.

        Left out are what few GPUs have (``mig``, ``compute_mode``, ``licensed``), and that an interpreter is
        trusted.
        """
        facts: Dict[str, Any] = {"schema": SCHEMA}
        for name in self.__dataclass_fields__:
            facts[name] = _plain(getattr(self, name))
        for gpu in facts["gpus"]:
            for name in ("mig", "compute_mode", "licensed"):
                if gpu[name] is None:
                    del gpu[name]
        for python in facts["pythons"]:
            if python["trusted"]:
                del python["trusted"], python["weakness"]
        return facts


def _plain(value: Any) -> Any:
    """Turn records into dictionaries and tuples into lists, all the way down."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return dict(value) if isinstance(value, dict) else value
