"""Rules about the C library and the CPU: executable stack, glibc floor, musl, instruction set."""

from __future__ import annotations

from ...whisperx_catalogue.release import Release, Wheel
from ...whisperx_common.versions import Numbers, dotted, strict_numbers
from ..case import Target
from ..findings import Finding, finding

__all__ = ["cpu_instructions", "execstack", "floor_of", "glibc_floor", "musl"]


def execstack(release: Release, target: Target) -> Finding | None:
    """A new glibc does not load an object that asks for an executable stack."""
    host = target.host
    abi = release.abi.get(host.machine or "")
    if abi is None or not abi.execstack or host.libc_family != "glibc" or host.libc_version is None:
        return None
    limit = strict_numbers(str(target.catalogue.threshold("libc.execstack", "glibc"))) or ()
    if host.libc_version < limit:
        return None
    return finding("libc.execstack", host.libc, limit=dotted(limit))


def floor_of(wheel: Wheel, release: Release, machine: str) -> Numbers:
    """Return the glibc a wheel needs: what its tag says or its symbols, whichever is newer."""
    tag = wheel.floor(machine, "glibc") or ()
    abi = release.abi.get(machine)
    native = not any(where == "any" for where, _family, _minimum in wheel.platforms)
    return max(tag, abi.glibc) if native and abi is not None and abi.glibc is not None else tag


def glibc_floor(release: Release, target: Target) -> Finding | None:
    """Every wheel for this machine needs a newer glibc."""
    host = target.host
    if host.libc_family != "glibc" or host.libc_version is None or host.machine is None:
        return None
    wheels = release.fitting(host.machine, "glibc")
    if not wheels:
        return None
    floor = min(floor_of(wheel, release, host.machine) for wheel in wheels)
    level = target.case.glibc_level
    if level is None or floor <= level:
        return None
    return finding("libc.glibc-floor", host.libc, floor=dotted(floor))


def musl(release: Release, target: Target) -> Finding | None:
    """A musl host, and no wheel for musl."""
    host = target.host
    if host.libc_family != "musl" or not release.wheels or release.fitting(host.machine or "", "musl"):
        return None
    return finding("libc.musl", host.libc)


def cpu_instructions(release: Release, target: Target) -> Finding | None:
    """The CPU lacks instructions the wheel is compiled with; asked only where the CPU's flags are known."""
    host = target.host
    if host.cpu_flags is None:
        return None
    wanted = target.catalogue.cpu_flags(release, host.machine or "")
    missing = target.catalogue.missing_flags(wanted, host.cpu_flags)
    if not missing:
        return None
    return finding("cpu.instructions", "a CPU without " + ", ".join(missing), flags=", ".join(missing))
