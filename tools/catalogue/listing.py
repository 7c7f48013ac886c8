"""What the index alone tells of a package: its releases from a version on, and their wheels for Linux."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from module_utils.whisperx_measure.packages import Package
from module_utils.whisperx_problem import Problem

from .index import File

__all__ = ["MACHINES", "Listed", "list_releases", "machine_of", "pick"]

MACHINES = ("x86_64", "aarch64")


@dataclass(frozen=True)
class Listed:
    """One release as listed; ``wheels`` are those for Linux and for any platform."""

    version: Version
    wheels: tuple[File, ...]
    sdists: tuple[File, ...]

    def record(self) -> dict[str, Any]:
        """The fields of a release that come from the index."""
        files = self.wheels or self.sdists
        dates = sorted(item.uploaded[:10] for item in files if item.uploaded)
        yanked = next((item.yanked for item in files), None) if all(item.yanked for item in files) else None
        found: dict[str, Any] = {
            "version": str(self.version),
            "uploaded": dates[0] if dates else None,
            "yanked": yanked,
            "requires_python": next((item.requires_python for item in files if item.requires_python), None),
        }
        if not self.wheels:
            found["sdist_only"] = True
        found["wheels"] = [
            {"file": item.name, "sha256": item.sha256, "size": item.size} for item in self.wheels
        ]
        return found


def list_releases(package: Package, files: list[File]) -> list[Listed]:
    """Group an index's files into releases, oldest first; releases for other systems only are left out.

    Of a CUDA library the source distributions are left out too: they are stubs that fetch a wheel.
    """
    wheels: dict[Version, list[File]] = {}
    sdists: dict[Version, list[File]] = {}
    for item in files:
        try:
            if item.name.endswith(".whl"):
                _name, version, _build, tags = parse_wheel_filename(item.name)
                fits = any(machine_of(tag.platform) and not tag.interpreter.startswith("pp") for tag in tags)
                target = wheels if fits else None
            else:
                version, target = parse_sdist_filename(item.name)[1], None if package.cuda else sdists
        except (InvalidWheelFilename, InvalidSdistFilename):
            continue
        if target is not None and version >= package.start:
            target.setdefault(version, []).append(item)
    if not wheels and not sdists:
        raise Problem(
            "catalogue.empty",
            f"the index lists no file of {package.name} from {package.start} on",
            package.name,
            "the releases of the package",
            "Check the index; a private one may lack the package.",
        )
    return [
        Listed(version, _ordered(wheels.get(version, [])), tuple(sdists.get(version, [])))
        for version in sorted(wheels.keys() | sdists.keys())
    ]


def machine_of(platform: str) -> str | None:
    """ "x86_64" or "aarch64" of a Linux platform tag, "any", or None for other systems."""
    if platform == "any":
        return "any"
    if not platform.startswith(("manylinux", "musllinux", "linux")):
        return None
    return next((machine for machine in MACHINES if platform.endswith("_" + machine)), None)


def pick(wheels: tuple[File, ...], machine: str) -> File | None:
    """The wheel that stands for a release on a machine: for glibc, CPython 3.10 or the next there is."""

    def order(item: File) -> tuple[bool, int, str]:
        interpreter = item.name[:-4].split("-")[-3]
        digits = interpreter.removeprefix("cp3")
        number = int(digits) if digits.isdigit() else 0
        return (number < 10, number if number >= 10 else -number, item.name)

    fit = [
        item for item in wheels if machine in item.name.rpartition("-")[2] and "musllinux" not in item.name
    ]
    fit = [item for item in fit if not item.name[:-4].split("-")[-2].endswith("t")] or fit
    return min(fit, key=order) if fit else None


def _ordered(files: list[File]) -> tuple[File, ...]:
    return tuple(sorted(files, key=lambda item: item.name))
