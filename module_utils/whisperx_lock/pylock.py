"""Read what uv resolved (pylock.toml, PEP 751), and choose the one wheel per package that the host will take.

uv writes every wheel that fits the platform it was asked for; mostly that is one. Where there are more, the
order of tags (PEP 425, PEP 600, PEP 656) decides, as it would on the host.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from ..whisperx_common.versions import numbers
from ..whisperx_libraries import (
    InvalidWheelFilename,
    Tag,
    compatible_tags,
    cpython_tags,
    parse_wheel_filename,
)
from ..whisperx_problem import Problem

__all__ = ["Wheel", "read_pylock", "read_sdist", "tag_ranks", "wheel_tags"]

_PLATFORM = re.compile(
    r"(?P<machine>[a-z0-9_]+?)-(?P<rest>manylinux.*|musllinux.*|unknown-linux-(?:gnu|musl))"
)
# PEP 600 and its forerunners: the older name of a glibc floor.
_LEGACY = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
# What uv takes the bare target triples for (uv reference, --python-platform).
_TRIPLES = {"unknown-linux-gnu": ("manylinux", 2, 28), "unknown-linux-musl": ("musllinux", 1, 2)}


@dataclass(frozen=True)
class Wheel:
    """One wheel that uv chose: ``url`` is where it lies (file: if local), ``size`` in bytes if known."""

    name: str
    version: str
    file: str
    url: str
    sha256: str
    size: int | None

    @property
    def local(self) -> bool:
        """True if it lies in a directory of the controller."""
        return urlsplit(self.url).scheme == "file"

    @property
    def path(self) -> str:
        """The path of a local wheel."""
        return unquote(urlsplit(self.url).path)


def read_pylock(text: str, platform: str, python: str) -> tuple[Wheel, ...]:
    """Return one wheel per package of uv's answer, sorted by name.

    ``platform`` is uv's --python-platform, ``python`` "3.13".
    Raises Problem ("lock.no-wheel") for a package without a usable wheel, ("lock.answer") for an odd answer.
    """
    try:
        packages = tomllib.loads(text)["packages"]
        ranks = tag_ranks(platform, python)
        return tuple(
            _choose(entry, ranks) for entry in sorted(packages, key=lambda entry: str(entry["name"]))
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError, InvalidWheelFilename) as error:
        raise _odd(error) from error


def read_sdist(text: str) -> tuple[str, str, str]:
    """Return address, file name and SHA-256 of the one source distribution in uv's answer."""
    try:
        row = tomllib.loads(text)["packages"][0]["sdist"]
        return (
            str(row["url"]),
            unquote(urlsplit(row["url"]).path).rpartition("/")[2],
            str(row["hashes"]["sha256"]),
        )
    except (tomllib.TOMLDecodeError, LookupError, TypeError) as error:
        raise _odd(error) from error


def tag_ranks(platform: str, python: str) -> Mapping[Tag, int]:
    """Return tag -> rank on such a host; the lower the better. Empty for a platform of unknown form."""
    platforms = list(_platforms(platform))
    if not platforms:
        return {}
    version = numbers(python)[:2]
    interpreter = "cp" + "".join(str(part) for part in version)
    tags = [*cpython_tags(version, platforms=platforms), *compatible_tags(version, interpreter, platforms)]
    return {tag: rank for rank, tag in reversed(list(enumerate(tags)))}


def wheel_tags(file: str) -> frozenset[Tag]:
    """Return the tags in a wheel's name."""
    return parse_wheel_filename(file)[3]


def _odd(error: Exception) -> Problem:
    return Problem(
        "lock.answer",
        f"uv's output is not understood: {type(error).__name__}",
        "uv pip compile",
        "pylock.toml as of PEP 751",
        "Install the version of uv that this toolkit is tested with.",
    )


def _choose(entry: Mapping[str, Any], ranks: Mapping[Tag, int]) -> Wheel:
    wheels = [_wheel(entry, row) for row in entry.get("wheels", ())]
    if len(wheels) > 1 and ranks:
        wheels = _best(wheels, ranks)
    if not wheels:
        raise Problem(
            "lock.no-wheel",
            f"{entry['name']} {entry.get('version', '')} has no wheel for this platform and Python",
            "uv pip compile",
            "a wheel: hosts build nothing",
            "Put a wheel of it into a find_links directory.",
        )
    return wheels[0]


def _best(wheels: Sequence[Wheel], ranks: Mapping[Tag, int]) -> list[Wheel]:
    def rank(wheel: Wheel) -> tuple[int, tuple[int, str], str]:
        _name, _version, build, tags = parse_wheel_filename(wheel.file)
        number, rest = build if build else (-1, "")
        return (
            min((ranks[tag] for tag in tags if tag in ranks), default=len(ranks)),
            (-number, rest),
            wheel.file,
        )

    return sorted((wheel for wheel in wheels if rank(wheel)[0] < len(ranks)), key=rank)


def _wheel(entry: Mapping[str, Any], row: Mapping[str, Any]) -> Wheel:
    url = str(row.get("url") or "file://" + str(row["path"]))
    size = row.get("size")
    return Wheel(
        name=str(entry["name"]),
        version=str(entry["version"]),
        file=str(row.get("name") or unquote(urlsplit(url).path).rpartition("/")[2]),
        url=url,
        sha256=str(row["hashes"]["sha256"]),
        size=size if isinstance(size, int) else None,
    )


def _platforms(platform: str) -> Iterator[str]:
    match = _PLATFORM.fullmatch(platform)
    if match is None:
        return
    machine, rest = match.group("machine"), match.group("rest")
    if rest in _TRIPLES:
        family, major, minor = _TRIPLES[rest]
    else:
        legacy = {name: floor for floor, name in _LEGACY.items()}
        if rest in legacy:
            family, (major, minor) = "manylinux", legacy[rest]
        else:
            family, *numbers = rest.split("_")
            major, minor = (int(part) for part in numbers)
    oldest = 0 if family == "musllinux" else 5
    for floor in range(minor, oldest - 1, -1):
        yield f"{family}_{major}_{floor}_{machine}"
        if family == "manylinux" and (major, floor) in _LEGACY:
            yield f"{_LEGACY[major, floor]}_{machine}"
    yield f"linux_{machine}"
