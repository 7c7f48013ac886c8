"""One release of one package: what its METADATA, its wheels and its ELF files say. Measured rows, nothing
guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from ..whisperx_common.versions import Numbers
from ..whisperx_libraries import (
    InvalidRequirement,
    InvalidSpecifier,
    InvalidVersion,
    Requirement,
    SpecifierSet,
    Version,
    canonicalize_name,
)
from .fields import Fields

__all__ = ["Abi", "Release", "Wheel", "canonical", "requirement", "specifier", "version"]

canonical = lru_cache(maxsize=None)(canonicalize_name)
requirement = lru_cache(maxsize=None)(Requirement)
specifier = lru_cache(maxsize=None)(SpecifierSet)
version = lru_cache(maxsize=None)(Version)

_LEGACY = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
_PLATFORM = re.compile(
    r"(?:(?P<family>many|musl)linux_(?P<major>\d+)_(?P<minor>\d+)|(?P<old>manylinux\d+)|linux)_(?P<machine>\w+)"
)
_PER_MACHINE = "requires_dist_"
_INTERPRETER = re.compile(r"(?P<kind>cp|py)(?P<major>\d)(?P<minor>\d*)")


@dataclass(frozen=True)
class Wheel:
    """One wheel. ``platforms``: (machine, libc family, floor) each; machine "any" fits everywhere.

    ``site``: whether the user built it; else it is an index's.
    """

    file: str
    sha256: str
    size: int | None
    pythons: tuple[str, ...]
    abis: tuple[str, ...]
    platforms: tuple[tuple[str, str, Numbers], ...]
    site: bool = False

    def fits_python(self, minor: Numbers) -> bool:
        """Say whether CPython ``minor`` (such as (3, 13)) takes this wheel; free-threaded wheels are not
        meant.
        """
        return any(_takes(tag, abi, minor) for tag in self.pythons for abi in self.abis)

    def floor(self, machine: str, family: str) -> Numbers | None:
        """Return the lowest libc version this wheel takes on that machine, () for any, None if it does not
        fit.
        """
        floors = [
            low for where, kind, low in self.platforms if where == "any" or (where, kind) == (machine, family)
        ]
        return min(floors, default=None)


@cache
def _takes(tag: str, abi: str, minor: Numbers) -> bool:
    match = _INTERPRETER.fullmatch(tag)
    if match is None:
        return False
    wanted = (int(match["major"]),) + ((int(match["minor"]),) if match["minor"] else ())
    if match["kind"] == "py":
        return abi == "none" and minor[:1] == wanted[:1] and minor >= wanted
    if abi == "abi3":
        return minor[:1] == wanted[:1] and minor >= wanted
    return minor == wanted and abi in ("none", tag, tag + "m")


@cache
def _platform(tag: str) -> tuple[str, str, Numbers] | None:
    if tag == "any":
        return ("any", "", ())
    match = _PLATFORM.fullmatch(tag)
    if match is None:
        return None
    if match["family"]:
        family = "glibc" if match["family"] == "many" else "musl"
        return (match["machine"], family, (int(match["major"]), int(match["minor"])))
    return (match["machine"], "glibc", _LEGACY.get(match["old"] or "", (2, 17)))


@dataclass(frozen=True)
class Abi:
    """What was read from one wheel's ELF files and fatbins. None where it was not read.

    ``libraries``: of a CUDA library its shared objects, folder below site-packages -> names.
    """

    execstack: bool | None
    glibc: Numbers | None
    opens: tuple[str, ...]
    needs: tuple[str, ...]
    sass: tuple[str, ...]
    ptx: tuple[str, ...]
    ptx_isa: Numbers | None
    has_device_code: bool | None
    libraries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def read(cls, row: Fields) -> Abi:
        """Read one ``abi`` row."""
        known = "sass" in row.data or "ptx" in row.data
        sass, ptx = row.capabilities("sass"), row.capabilities("ptx")
        libraries = row.child("libraries")
        return cls(
            execstack=row.flag("execstack"),
            glibc=row.version("glibc"),
            opens=row.texts("opens"),
            needs=row.texts("needs"),
            sass=sass,
            ptx=ptx,
            ptx_isa=row.version("ptx_isa"),
            has_device_code=bool(sass or ptx) if known else None,
            libraries={name: libraries.texts(name) for name in libraries.data} if libraries else {},
        )


@dataclass(eq=False)
class Release:
    """One release. ``index``: its place in the package, 0 the oldest; ``bit``: 1 << index, for sets of
    releases.

    ``site``: whether all of its wheels are the user's own; ``site_cuda``: of such a torch, machine -> the
    CUDA that it is built for, "" for none.
    """

    package: str
    text: str
    version: Version
    yanked: str | None
    requires_python: str | None
    requires: tuple[Requirement, ...]
    wheels: tuple[Wheel, ...]
    abi: dict[str, Abi]
    requires_on: dict[str, tuple[Requirement, ...]] = field(default_factory=dict)
    sdist_only: bool = False
    index: int = -1
    bit: int = 0
    invented: bool = False
    site: bool = False
    site_cuda: Mapping[str, str] = field(default_factory=dict)
    cache: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def subject(self) -> str:
        """Name and version, such as "ctranslate2 4.8.5"."""
        return f"{self.package} {self.text}"

    def requirements(self, machine: str) -> tuple[Requirement, ...]:
        """Return what METADATA asks for on a machine; the wheels of one release may differ by machine."""
        return self.requires_on.get(machine, self.requires)

    def fitting(self, machine: str, family: str) -> tuple[Wheel, ...]:
        """Return the wheels for that machine and libc family, whatever their floor."""
        key = ("fitting", machine, family)
        if key not in self.cache:
            self.cache[key] = tuple(
                wheel for wheel in self.wheels if wheel.floor(machine, family) is not None
            )
        found: tuple[Wheel, ...] = self.cache[key]
        return found

    @classmethod
    def read(cls, package: str, row: Fields) -> Release:
        """Read one release row; Problem names file, row and field."""
        text = row.needed("version", row.text("version"))
        try:
            parsed = version(text)
        except InvalidVersion:
            raise row.problem("version", text, "a PEP 440 version") from None
        python = row.text("requires_python")
        try:
            specifier(python or "")
        except InvalidSpecifier:
            raise row.problem("requires_python", python, "a PEP 440 specifier") from None
        yanked = row.data.get("yanked")
        if yanked is not None and not isinstance(yanked, (str, bool)):
            raise row.problem("yanked", yanked, "null or the reason")
        abis = row.child("abi")
        return cls(
            package=package,
            text=text,
            version=parsed,
            yanked=None
            if yanked in (None, False)
            else (yanked if isinstance(yanked, str) else "") or "no reason given",
            requires_python=python,
            requires=tuple(_requirement(row, entry) for entry in row.texts("requires_dist")),
            wheels=tuple(_wheel(entry) for entry in row.children("wheels")),
            requires_on={
                key[len(_PER_MACHINE) :]: tuple(_requirement(row, entry) for entry in row.texts(key))
                for key in row.data
                if str(key).startswith(_PER_MACHINE)
            },
            abi={name: Abi.read(_needed_child(abis, name)) for name in abis.data} if abis else {},
            sdist_only=bool(row.flag("sdist_only")),
        )


def _needed_child(row: Fields, key: str) -> Fields:
    child = row.child(key)
    if child is None:
        raise row.problem(key, None, "a mapping")
    return child


def _requirement(row: Fields, entry: str) -> Requirement:
    try:
        return requirement(entry)
    except InvalidRequirement:
        raise row.problem("requires_dist", entry, "a PEP 508 requirement") from None


def _wheel(row: Fields) -> Wheel:
    name = row.needed("file", row.text("file"))
    parts = name[: -len(".whl")].split("-") if name.endswith(".whl") else []
    if len(parts) not in (5, 6):
        raise row.problem("file", name, "the file name of a wheel")
    python, abi, platform = parts[-3:]
    platforms = [_platform(tag) for tag in platform.split(".")]
    return Wheel(
        file=name,
        sha256=row.text("sha256") or "",
        size=row.whole("size"),
        pythons=tuple(python.split(".")),
        abis=tuple(abi.split(".")),
        platforms=tuple(entry for entry in platforms if entry is not None),
    )
