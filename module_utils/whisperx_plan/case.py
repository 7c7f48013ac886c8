"""What a decision is about: one host with what it asks for, and one way to use that host."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ..whisperx_catalogue.catalogue import Catalogue
from ..whisperx_catalogue.rows import Distro
from ..whisperx_common.versions import Numbers
from .gpu.profile import GpuProfile, profile_of
from .host import Host, Interpreter
from .model import Request
from .platforms import distro_of, glibc_level, platform_of

__all__ = ["Case", "Target"]


@dataclass(frozen=True, eq=False)
class Case:
    """One host with what it asks for, and what the catalogue says of the host, each looked up once.

    What if the host were another: ``dataclasses.replace`` makes a case of its own.
    """

    host: Host
    request: Request
    catalogue: Catalogue

    @cached_property
    def gpu(self) -> GpuProfile:
        """What the host's GPUs can run under its driver."""
        return profile_of(self.host, self.catalogue)

    @cached_property
    def distro(self) -> Distro | None:
        """The row of the host's distribution."""
        return distro_of(self.host, self.catalogue)

    @cached_property
    def platform(self) -> tuple[str, Numbers] | None:
        """The resolver's name for the host, and its libc level."""
        return platform_of(self.host, self.catalogue)

    @cached_property
    def glibc_level(self) -> Numbers | None:
        """The glibc up to which wheels are taken."""
        return glibc_level(self.host, self.catalogue)


@dataclass(frozen=True, eq=False)
class Target:
    """One way to use a host: the device and an interpreter."""

    case: Case
    device: str
    python: Interpreter

    @property
    def host(self) -> Host:
        """The host."""
        return self.case.host

    @property
    def request(self) -> Request:
        """What is asked for."""
        return self.case.request

    @property
    def catalogue(self) -> Catalogue:
        """What is known."""
        return self.case.catalogue

    @property
    def gpu(self) -> GpuProfile:
        """What the host's GPUs can run."""
        return self.case.gpu

    @property
    def machine(self) -> str:
        """The host's machine, "" if unknown."""
        return self.case.host.machine or ""

    @property
    def gates(self) -> bool:
        """Whether what is not known is left to the ABI gate and the pipeline."""
        return self.case.request.unknown == "gate"
