"""One wheel that a site built itself, measured as those of an index are: a row of the catalogue.

In: a file on the controller. Out: plain data. Refused by name is what an installer could not use, or could
use in two ways, and a file whose name is not what METADATA, WHEEL and its libraries say.
"""

from __future__ import annotations

from email.parser import HeaderParser
from pathlib import Path
from typing import IO, Any

from ..whisperx_abi.header import MAGIC
from ..whisperx_common.wording import printable
from ..whisperx_libraries import (
    InvalidName,
    InvalidSpecifier,
    InvalidVersion,
    InvalidWheelFilename,
    SpecifierSet,
    Tag,
    Version,
    canonicalize_name,
    parse_tag,
    parse_wheel_filename,
)
from .archive import Archive, Refused, opened
from .libraries import measure
from .metadata import extras_of, field_of, requires_dist
from .packages import Package

__all__ = ["Name", "measured", "name_of"]

ANY = "any"
# System V gABI: where the header of a shared object has its machine, and the numbers of those in Linux tags.
_E_MACHINE = slice(18, 20)
_ELF_MACHINES = {
    3: "i686", 21: "ppc64le", 22: "s390x", 40: "armv7l", 62: "x86_64", 183: "aarch64", 243: "riscv64",
    258: "loongarch64",
}  # fmt: skip


class Name:
    """What the name of a wheel says. Raises Refused "wheels.name" for a name that is none."""

    def __init__(self, file: str) -> None:
        try:
            name, version, _build, self.tags = parse_wheel_filename(file)
        except (InvalidWheelFilename, InvalidVersion, InvalidName, ValueError) as error:
            raise Refused(
                "wheels.name", f"its name is not that of a wheel: {printable(str(error))[:200]}"
            ) from None
        self.file = file
        self.package = str(name)
        self.version = version

    @property
    def machines(self) -> set[str]:
        """The machines of its platform tags; "any" for one that fits everywhere."""
        return {_machine(tag.platform) for tag in self.tags}


def name_of(path: Path) -> Name:
    """Return what the name of a file says. Raises Refused."""
    return Name(path.name)


def measured(stream: IO[bytes], size: int, name: Name, package: Package) -> dict[str, Any]:
    """Return the row of a wheel, without its digest. Raises Refused."""
    with opened(stream, size) as archive:
        metadata = archive.text(f"{archive.info}/METADATA")
        _check_name(name, archive, metadata)
        _check_tags(name, archive.text(f"{archive.info}/WHEEL"))
        archive.check_record()
        row: dict[str, Any] = {
            "package": name.package,
            "version": str(name.version),
            "requires_python": _python_of(metadata),
            "requires_dist": requires_dist(metadata),
        }
        if "extras" in package.also:
            row["extras"] = extras_of(metadata)
        machines = _check_machines(name, archive)
        if package.members is not None and machines:
            row["abi"] = measure(archive, package, name.file)
        return row | {"machines": sorted(machines or {ANY})}


def _check_name(name: Name, archive: Archive, metadata: str) -> None:
    """Compare the name with METADATA, and with the directory that METADATA is in."""
    stem = archive.info.removesuffix(".dist-info").rpartition("-")
    for where, said, version in (
        ("METADATA", field_of(metadata, "Name"), field_of(metadata, "Version")),
        (archive.info, stem[0], stem[2]),
    ):
        try:
            fits = canonicalize_name(said or "") == name.package and Version(version or "") == name.version
        except InvalidVersion:
            fits = False
        if not fits:
            told = printable(f"{said or 'no name'} {version or 'no version'}")[:200]
            raise Refused(
                "wheels.name", f"its name says {name.package} {name.version}, {printable(where)} {told}"
            )


def _check_tags(name: Name, text: str) -> None:
    """Compare interpreter and ABI with WHEEL; platforms are renamed by those who know their hosts."""
    lines = HeaderParser().parsestr(text).get_all("Tag", [])
    try:
        inside = {(tag.interpreter, tag.abi) for line in lines for tag in parse_tag(str(line).strip())}
    except ValueError:
        inside = set()
    strange = sorted(f"{tag.interpreter}-{tag.abi}" for tag in name.tags if _pair(tag) not in inside)
    if strange:
        has = ", ".join(sorted("-".join(pair) for pair in inside)) or "no tag"
        raise Refused("wheels.name", f"its name says {strange[0]}, WHEEL {printable(has)[:200]}")


def _pair(tag: Tag) -> tuple[str, str]:
    return tag.interpreter, tag.abi


def _check_machines(name: Name, archive: Archive) -> set[str]:
    """Return the machines that the wheel is for, none where it fits everywhere.

    Raises Refused where its shared objects are for another machine than its name says.
    """
    said = name.machines - {ANY}
    for member in archive.names():
        if not (member.endswith(".so") or ".so." in member.rpartition("/")[2]):
            continue
        head = archive.head(member, _E_MACHINE.stop)
        if head[:4] != MAGIC or len(head) < _E_MACHINE.stop:
            continue
        number = int.from_bytes(head[_E_MACHINE], "little" if head[5] == 1 else "big")
        made = _ELF_MACHINES.get(number, f"ELF machine {number}")
        if made not in said:
            words = ", ".join(sorted(said)) or "any machine"
            raise Refused("wheels.name", f"its name says {words}, {printable(member)} is for {made}")
    return said


def _python_of(metadata: str) -> str | None:
    text = field_of(metadata, "Requires-Python")
    try:
        SpecifierSet(text or "")
    except InvalidSpecifier:
        raise Refused(
            "wheels.unreadable", f"METADATA requires Python {printable(str(text))[:100]!r}"
        ) from None
    return text


def _machine(platform: str) -> str:
    """Return the machine of a platform tag, such as x86_64 of manylinux_2_28_x86_64."""
    return next((known for known in _ELF_MACHINES.values() if platform.endswith("_" + known)), platform)
