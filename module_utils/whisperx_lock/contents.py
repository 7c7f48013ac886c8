"""What a wheel has for users and for the verification: its commands, and the modules to import.

Read from the wheel itself, once per digest.
"""

from __future__ import annotations

import configparser
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..whisperx_common.extras import COMMAND
from ..whisperx_common.names import normalise
from ..whisperx_common.wording import printable
from ..whisperx_problem import Problem

__all__ = ["UNREADABLE", "commands_of", "modules_of", "read_contents"]

# What a zip file that is none, or a damaged one, makes the library raise.
UNREADABLE = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(OSError, EOFError, KeyError, ValueError, RuntimeError, OverflowError, MemoryError, IndexError),
)
# An environment's own programs.
_RESERVED = re.compile(r"python[0-9.]*|activate.*|deactivate.*")
_DATA = re.compile(r"[^/]+\.data/(?P<kind>[a-z]+)/(?P<rest>.+)")
_EXTENSION = re.compile(r"(?P<name>[^/.]+)(?:\.(?:cpython-[^.]+|abi3)(?:-[^.]*)?)?\.(?:so|py)")
# What projects put beside their package by mistake.
_STRAY = frozenset(("test", "tests", "testing", "doc", "docs", "example", "examples", "benchmarks", "setup"))
_LARGEST = 4 << 20  # bytes of a list of entry points


def read_contents(path: Path, name: str) -> dict[str, list[str]]:
    """Return the ``commands`` and ``modules`` of a wheel of ``name``. Raises Problem "lock.wheel"."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
            points = [
                member for member in members if re.fullmatch(r"[^/]+\.dist-info/entry_points\.txt", member)
            ]
            text = ""
            if points:
                with archive.open(points[0]) as stream:
                    text = stream.read(_LARGEST).decode("utf-8")
        return {"commands": commands_of(members, text), "modules": modules_of(members, name)}
    except (*UNREADABLE, configparser.Error) as error:
        raise Problem(
            "lock.wheel",
            f"{printable(path.name)} cannot be read: {printable(str(error))[:200] or type(error).__name__}",
            f"the wheel of {name}",
            "a wheel",
            f"Ask for another version of {name} in whisperx_plan_extras, or report it to its publisher.",
        ) from None


def commands_of(members: Iterable[str], entry_points: str) -> list[str]:
    """Return the commands of a wheel: its entry points and its scripts, sorted."""
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(entry_points)
    found = set(parser["console_scripts"]) if parser.has_section("console_scripts") else set()
    for member in members:
        match = _DATA.fullmatch(member)
        if match and match["kind"] == "scripts" and "/" not in match["rest"]:
            found.add(match["rest"])
    return sorted(name for name in found if COMMAND.fullmatch(name) and not _RESERVED.fullmatch(name))


def modules_of(members: Iterable[str], name: str) -> list[str]:
    """Return the modules to import of a wheel of ``name``: the one that is called like it, else all."""
    top: set[str] = set()
    packages: list[list[str]] = []
    for member in members:
        match = _DATA.fullmatch(member)
        parts = (match["rest"] if match and match["kind"] in ("purelib", "platlib") else member).split("/")
        if not all(part.isidentifier() for part in parts[:-1]):
            continue
        if parts[-1] == "__init__.py" and len(parts) > 1:
            packages.append(parts[:-1])
        elif len(parts) == 1 and (single := _EXTENSION.fullmatch(parts[0])):
            top.add(single["name"])
    # The outermost packages: below a namespace, which has no code of its own, they are deeper.
    for parts in sorted(packages, key=len):
        if not any(".".join(parts[:depth]) in top for depth in range(1, len(parts))):
            top.add(".".join(parts))
    return _chosen(sorted(one for one in top if all(part.isidentifier() for part in one.split("."))), name)


def _chosen(modules: Sequence[str], name: str) -> list[str]:
    own = [one for one in modules if normalise(one) == normalise(name)]
    public = [one for one in modules if not one.startswith("_") and one.partition(".")[0] not in _STRAY]
    return own or public
