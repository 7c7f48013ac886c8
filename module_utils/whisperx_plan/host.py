"""A host as the decision sees it: only the facts that decide, checked, hashable, so that equal hosts are
decided once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..whisperx_catalogue.fields import Fields
from ..whisperx_catalogue.interpreter_rows import Standalone
from ..whisperx_common.gpu_vendors import NVIDIA, vendor_of, vendor_words
from ..whisperx_common.interpreters import foreign
from ..whisperx_common.versions import Numbers, dotted
from ..whisperx_problem import Problem

__all__ = ["COMPUTE_MODES", "DRIVER_STATES", "Driver", "Gpu", "Host", "Interpreter"]

COMPUTE_MODES = ("default", "exclusive-thread", "prohibited", "exclusive-process")
DRIVER_STATES = ("running", "absent", "mismatch", "unusable")
# The flag by which facts that were written by hand tell of all the older ones (packages.yml, cpu_implies).
_TELLING = frozenset({"avx"})
_LAYOUT = "facts in the layout of the module whisperx_host_facts"
_REMEDY = "Correct the facts (whisperx_host_assume, or their file), or let the host be probed again"


@dataclass(frozen=True)
class Interpreter:
    """A Python on the host. ``shared``: every user can execute it. ``distutils``: it has that module.

    ``weakness``: who else can change it, None for nobody. ``archive``: the standalone build that would be
    installed, None for one that is on the host. ``foreign``: "" for the CPython that wheels are made for,
    else what it is instead.
    """

    path: str
    version: Numbers
    shared: bool = True
    distutils: bool = True
    weakness: str | None = None
    archive: Standalone | None = None
    foreign: str = ""

    @property
    def minor(self) -> Numbers:
        """The two numbers that wheels are made for, such as (3, 13)."""
        return self.version[:2]

    @property
    def tag(self) -> str:
        """The wheel tag, such as cp313."""
        return "cp" + "".join(str(part) for part in self.minor)


@dataclass(frozen=True)
class Gpu:
    """An NVIDIA GPU. ``capability`` is None where neither driver nor PCI id tells it; ``driver`` is the
    bound module; ``index`` counts the GPUs that CUDA may show, as nvidia-smi does. ``compute_mode``: None for
    the default; ``licensed``: of a vGPU, None where there is nothing to license.
    """

    name: str
    capability: Numbers | None
    pci_id: str | None = None
    driver: str | None = None
    mig_enabled: bool = False
    mig_instances: int | None = None
    compute_mode: str | None = None
    licensed: bool | None = None
    index: int | None = None


@dataclass(frozen=True)
class Driver:
    """The NVIDIA driver. ``cuda``: the newest CUDA its library speaks; ``detail``: a sentence when
    something is wrong; ``open``: whether its kernel modules are the open ones, None if unknown.
    """

    version: Numbers | None = None
    cuda: Numbers | None = None
    state: str = "absent"
    detail: str = ""
    text: str = ""
    open: bool | None = None


@dataclass(frozen=True)
class Host:
    """The facts that decide. Equal hosts (names apart) get equal answers."""

    name: str = field(compare=False)
    os_id: str | None = None
    os_version: str | None = None
    os_codename: str | None = None
    libc_family: str | None = None
    libc_version: Numbers | None = None
    machine: str | None = None
    cpu_flags: frozenset[str] | None = None
    pythons: tuple[Interpreter, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    other_gpus: tuple[str, ...] = ()
    driver: Driver = Driver()
    libavutil: tuple[int, ...] = ()
    ffmpeg_path: bool = False
    engines: tuple[str, ...] = ()
    cdi: frozenset[str] = frozenset()
    cdi_problems: tuple[str, ...] = ()
    container: str | None = None
    wsl: bool = False
    tegra: str | None = None
    secure_boot: bool | None = None
    selinux: str | None = None

    @property
    def libc(self) -> str:
        """The C library in words, such as "glibc 2.41"."""
        version = dotted(self.libc_version) if self.libc_version else "of unknown version"
        return f"{self.libc_family or 'a C library'} {version}"

    @classmethod
    def from_facts(cls, name: str, facts: Mapping[str, Any], flags: frozenset[str] | None = None) -> Host:
        """Read the facts of the contract; a missing key is absent. ``flags``: the CPU flags that matter,
        all if None.

        Raises Problem "facts.malformed" naming host and field.
        """
        top = Fields(facts, "facts.malformed", f"host {name}", _REMEDY)
        system, libc = top.child("os"), top.child("libc")
        ffmpeg = top.child("ffmpeg")
        host = cls(
            name=name,
            os_id=system.text("id") if system else None,
            os_version=system.text("version") if system else None,
            os_codename=system.text("codename") if system else None,
            libc_family=libc.choice("family", ("glibc", "musl")) if libc else None,
            libc_version=_two(libc.version("version")) if libc else None,
            machine=top.text("machine"),
            cpu_flags=_flags(top, flags),
            pythons=tuple(
                sorted((_python(row) for row in top.children("pythons")), key=lambda p: (p.version, p.path))
            ),
            gpus=_gpus(top),
            other_gpus=tuple(sorted(_other(row) for row in top.children("gpus") if _vendor(row) != NVIDIA)),
            driver=_driver(top.child("nvidia_driver")),
            libavutil=tuple(sorted(set(ffmpeg.wholes("libavutil")))) if ffmpeg else (),
            ffmpeg_path=bool(ffmpeg and ffmpeg.text("path")),
            engines=tuple(
                sorted({row.text("name") or "" for row in top.children("container_engines")} - {""})
            ),
            cdi=frozenset(kind for row in top.children("container_engines") for kind in row.texts("cdi")),
            cdi_problems=top.texts("cdi_problems"),
            container=top.text("container"),
            wsl=bool(top.flag("wsl")),
            tegra=_tegra(top.child("tegra")),
            secure_boot=top.flag("secure_boot"),
            selinux=top.choice("selinux", ("enforcing", "permissive", "disabled")),
        )
        # The fields that decide are named above more exactly than the complaint about the whole description.
        if facts.get("malformed"):
            raise Problem("facts.malformed", str(facts["malformed"]), f"host {name}", _LAYOUT, _REMEDY)
        return host


def _two(version: Numbers | None) -> Numbers | None:
    return version[:2] if version else None


def _flags(top: Fields, wanted: frozenset[str] | None) -> frozenset[str] | None:
    cpu = top.child("cpu")
    if cpu is None or cpu.data.get("flags") is None:
        return None
    found = frozenset(cpu.texts("flags"))
    if not found:
        return None
    return found if wanted is None else found & (wanted | _TELLING)


def _python(row: Fields) -> Interpreter:
    shared = row.flag("shared")
    version = row.needed("version", row.version("version"))
    if len(version) < 2:
        raise row.problem("version", row.text("version"), 'a version such as "3.13.5"')
    return Interpreter(
        path=row.needed("path", row.text("path")),
        version=version[:3],
        shared=shared is not False,
        distutils=row.flag("distutils") is not False,
        weakness=(row.text("weakness") or "somebody else") if row.flag("trusted") is False else None,
        foreign=foreign(row.text("path") or "", row.text("implementation"), bool(row.flag("free_threaded"))),
    )


def _vendor(row: Fields) -> str:
    """Return the vendor of a GPU: as described, by its PCI id, by its name; NVIDIA's where nothing says."""
    told = (row.text("vendor") or "").lower()
    return told or vendor_of(row.text("pci_id") or "", row.text("name") or "") or NVIDIA


def _other(row: Fields) -> str:
    """Return the name of another vendor's GPU, with its vendor."""
    vendor = vendor_words(_vendor(row))
    name = row.text("name") or "GPU"
    return name if name.lower().startswith(vendor.lower()) else f"{vendor} {name}"


def _gpus(top: Fields) -> tuple[Gpu, ...]:
    """Return NVIDIA's GPUs, alike ones together, each with its number among those that CUDA may show."""
    found = [_gpu(row) for row in top.children("gpus") if _vendor(row) == NVIDIA]
    numbered, index = [], 0
    for gpu in found:
        shown = gpu.driver in (None, NVIDIA)
        numbered.append(replace(gpu, index=index if shown else None))
        index += shown
    return tuple(sorted(numbered, key=repr))


def _gpu(row: Fields) -> Gpu:
    mig = row.child("mig")
    capability = row.version("compute_capability")
    if capability is not None and len(capability) != 2:
        raise row.problem("compute_capability", row.text("compute_capability"), 'a capability such as "9.0"')
    return Gpu(
        name=row.text("name") or "NVIDIA GPU",
        capability=capability,
        pci_id=row.text("pci_id"),
        driver=row.text("driver"),
        mig_enabled=bool(mig and mig.flag("enabled")),
        mig_instances=mig.whole("instances") if mig else None,
        compute_mode=_compute_mode(row),
        licensed=row.flag("licensed"),
    )


def _compute_mode(row: Fields) -> str | None:
    """Return the mode, also as nvidia-smi spells it ("Exclusive_Process"); None for the default."""
    mode = (row.text("compute_mode") or "default").lower().replace("_", "-")
    if mode not in COMPUTE_MODES:
        raise row.problem("compute_mode", mode, "one of " + ", ".join(COMPUTE_MODES))
    return None if mode == "default" else mode


def _driver(row: Fields | None) -> Driver:
    if row is None:
        return Driver()
    version, cuda = row.version("version"), row.version("cuda")
    state = row.choice("state", DRIVER_STATES) or ("running" if version or cuda else "absent")
    return Driver(
        version=version,
        cuda=_two(cuda),
        state=state,
        detail=row.text("detail") or "",
        text=row.text("version") or "",
        open=row.flag("open"),
    )


def _tegra(row: Fields | None) -> str | None:
    return (row.text("release") or "unknown") if row else None
