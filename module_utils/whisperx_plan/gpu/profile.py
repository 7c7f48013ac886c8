"""What the GPUs of a host can run under its driver, worked out once and handed on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ...whisperx_catalogue.catalogue import Catalogue
from ...whisperx_catalogue.release import Release
from ...whisperx_catalogue.rows import Build, Rows
from ...whisperx_common.versions import Numbers, dotted
from ..host import Driver, Gpu, Host
from .device_code import Code
from .drivers import (
    capability_of,
    cuda_of_driver,
    forward_support,
    generations_of,
    isa_of_cuda,
    kernel_cuda,
    meets_floor,
    newest_driver,
)
from .torch_builds import series_of

__all__ = ["GpuProfile", "profile_of"]


@dataclass(frozen=True, eq=False)
class GpuProfile:
    """The GPUs of a host, their driver, and what follows from the tables for both.

    ``capabilities``: one per GPU, None where unknown. ``cuda``: the newest CUDA that the driver speaks,
    ``isa`` the newest PTX that it compiles. ``first_branch``, ``last_branch``: the window of driver branches
    that serve every GPU, None where it is open. ``modules``: the kind of kernel modules that the GPUs need,
    "open" or "proprietary", None where either does.
    """

    machine: str | None
    gpus: tuple[Gpu, ...]
    driver: Driver
    rows: Rows = field(repr=False)
    capabilities: tuple[Numbers | None, ...]
    cuda: Numbers | None
    isa: Numbers | None
    first_branch: int | None
    last_branch: int | None
    modules: str | None
    best_driver: Driver | None
    _builds: dict[int, Build | None] = field(default_factory=dict, repr=False)

    @property
    def driver_words(self) -> str:
        """The driver for sentences."""
        if self.driver.text:
            return self.driver.text
        return f"of CUDA {dotted(self.driver.cuda)}" if self.driver.cuda else "of unknown version"

    def serves(self, major: int) -> bool | None:
        """Say whether the driver runs machine code of a CUDA major; None if nothing is known."""
        return meets_floor(self.driver, major, self.rows)

    def compiled(self, code: Code) -> list[Gpu]:
        """Return the GPUs on which the driver has to compile the code's PTX."""
        pairs = zip(self.gpus, self.capabilities, strict=True)
        return [gpu for gpu, capability in pairs if code.runs(capability) == "ptx"]

    def uncovered(self, code: Code) -> tuple[Gpu, Numbers] | None:
        """Return the first GPU, of those of known capability, on which the code does not run at all."""
        for gpu, capability in zip(self.gpus, self.capabilities, strict=True):
            if capability is not None and code.runs(capability) is None:
                return gpu, capability
        return None

    def with_driver(self, driver: Driver) -> GpuProfile:
        """Return the profile of the same GPUs under another driver."""
        cuda = cuda_of_driver(driver, self.rows)
        isa = isa_of_cuda(cuda, self.rows) if cuda else None
        return replace(self, driver=driver, cuda=cuda, isa=isa, _builds={})

    def build(self, release: Release, device: str = "cuda") -> Build | None:
        """Return the build of a torch release to take: the CPU one for a CPU, else the first that fits all
        GPUs (the default index's first).
        """
        series = series_of(release, self.machine, self.rows)
        builds = series.builds if series else ()
        if device == "cpu":
            # Of a wheel that the user built there is one build, and it runs on a CPU too.
            fallback = builds[0] if builds and release.site else None
            return next((build for build in builds if build.cuda is None), fallback)
        key = id(release)
        if key not in self._builds:
            self._builds[key] = next((build for build in builds if self._fits(build)), None)
        return self._builds[key]

    def _fits(self, build: Build) -> bool:
        """Say whether a CUDA build runs on every GPU of the host under its driver."""
        if build.cuda is None or not self.serves(build.cuda[0]):
            return False
        code = Code(build.sass, build.ptx, isa_of_cuda(build.cuda, self.rows))
        for capability in self.capabilities:
            how = code.runs(capability)
            if how is None or (how == "ptx" and (self.cuda is None or self.cuda < build.cuda[:2])):
                return False
        return True


def profile_of(host: Host, catalogue: Catalogue) -> GpuProfile:
    """Return the profile of a host, the same one for hosts with the same GPUs and driver."""
    key = ("profile", host.machine, host.gpus, host.driver)
    if key not in catalogue.scratch:
        catalogue.scratch[key] = _profile(host, catalogue.rows)
    profile: GpuProfile = catalogue.scratch[key]
    return profile


def _cuda(host: Host, rows: Rows) -> Numbers | None:
    """Return the newest CUDA that the driver speaks to the host's GPUs: to some, no newer libcuda helps."""
    cuda = cuda_of_driver(host.driver, rows)
    own = kernel_cuda(host.driver, rows)
    if cuda is not None and own is not None and own < cuda[:2]:
        return own if all(forward_support(gpu.name, rows) is False for gpu in host.gpus) else cuda
    return cuda


def _profile(host: Host, rows: Rows) -> GpuProfile:
    capabilities = tuple(capability_of(gpu, rows) for gpu in host.gpus)
    generations = generations_of(capabilities, rows)
    kinds = {row.modules for row in generations if row.modules}
    cuda = _cuda(host, rows)
    last = min((row.last_branch for row in generations if row.last_branch is not None), default=None)
    return GpuProfile(
        machine=host.machine,
        gpus=host.gpus,
        driver=host.driver,
        rows=rows,
        capabilities=capabilities,
        cuda=cuda,
        isa=isa_of_cuda(cuda, rows) if cuda else None,
        first_branch=max((row.first_branch for row in generations), default=None),
        last_branch=last,
        modules=kinds.pop() if len(kinds) == 1 else None,
        best_driver=newest_driver(last, rows),
    )
