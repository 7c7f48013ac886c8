"""One line of a lock file: a value of its header, or a package.

Standard library only, Python 3.8: the same file runs on the controller and on the targets.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Callable, Dict, Optional

from ..whisperx_problem import Problem
from . import extras, standalone
from .names import normalise

__all__ = ["SCHEMA", "LockedPackage", "header_value", "malformed", "package_of"]

SCHEMA = "1"
# What a header value of JSON has to be readable by, and what is wanted where it is not.
_READERS: Dict[str, Callable[[str], object]] = {"extras": extras.read, "python-archive": standalone.read}
_NOTED = {
    "extras": "a JSON map of name to specifier, modules and commands",
    "python-archive": "a JSON map with version, build, machine, libc, file and sha256 of an archive",
}
_MAY_BE_EMPTY = ("torch-build", "torch-backend", "catalogue")
_HEADER = re.compile(r"# ([a-z-]+):(?: (\S(?:.*\S)?))?")
_PACKAGE = re.compile(
    r"(?P<name>[^\s=]+)==(?P<version>\S+) --hash=sha256:(?P<sha256>\S+)"
    r" # (?P<file>\S+) (?P<size>\S+) (?P<origin>\S+)"
)
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
# PEP 440, appendix B: a version in its normal form; then the local part (PEP 440, local version identifiers).
_VERSION = re.compile(
    r"(?:[1-9][0-9]*!)?(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*(?:(?:a|b|rc)(?:0|[1-9][0-9]*))?"
    r"(?:\.post(?:0|[1-9][0-9]*))?(?:\.dev(?:0|[1-9][0-9]*))?(?:\+[a-z0-9]+(?:\.[a-z0-9]+)*)?"
)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+!]*(?:-[A-Za-z0-9_.+!]+){4,5}\.whl")
_SIZE = re.compile(r"-|0|[1-9][0-9]{0,14}")
_ORIGIN = re.compile(r"index|local|site|built|repaired:[0-9a-f]{64}")


@dataclass(frozen=True)
class LockedPackage:
    """One wheel of a lock: name and version in normal form, size in bytes where the index told it."""

    name: str
    version: str
    sha256: str
    file: str
    size: Optional[int]
    origin: str

    @property
    def travels(self) -> bool:
        """True if the file goes to the host with the run instead of being fetched from an index."""
        return self.origin != "index"

    def line(self) -> str:
        """Return the package as one line of a lock, without line feed."""
        size = "-" if self.size is None else str(self.size)
        return "{}=={} --hash=sha256:{} # {} {} {}".format(
            self.name, self.version, self.sha256, self.file, size, self.origin
        )


def header_value(line: str, key: str, where: str, number: int) -> str:
    """Return the value that a line of the header has for a key. Raises Problem ("lock.malformed")."""
    match = _HEADER.fullmatch(line)
    if match is None or match.group(1) != key:
        raise malformed(where, number, "'{}'".format(_short(line)), "'# {}: …'".format(key))
    value = match.group(2) or ""
    if not value and key not in _MAY_BE_EMPTY:
        raise malformed(where, number, "'{}' has no value".format(key), "'# {}: …'".format(key))
    if key == "whisperx-fleet-lock" and value != SCHEMA:
        raise malformed(where, number, "a lock of schema '{}'".format(_short(value)), "schema " + SCHEMA)
    if key == "request":
        _check_request(value, where, number)
    if key in _READERS:
        _check_noted(key, value, where, number)
    return value


def _check_request(value: str, where: str, number: int) -> None:
    try:
        request = json.loads(value)
    except ValueError:
        request = None
    if not isinstance(request, dict) or not all(isinstance(entry, str) for entry in request.values()):
        raise malformed(
            where, number, "request '{}'".format(_short(value)), "a JSON map of name to specifier"
        )


def _check_noted(key: str, value: str, where: str, number: int) -> None:
    try:
        _READERS[key](value)
    except (ValueError, RecursionError) as error:
        found = "{} '{}': {}".format(key, _short(value), error)
        raise malformed(where, number, found, _NOTED[key]) from None


def package_of(line: str, where: str, number: int) -> LockedPackage:
    """Return the package that a line describes. Raises Problem ("lock.malformed")."""
    match = _PACKAGE.fullmatch(line)
    if match is None:
        raise malformed(
            where, number, "'{}'".format(_short(line)), "'NAME==VERSION --hash=sha256:… # FILE SIZE ORIGIN'"
        )
    checks = (
        ("name", _NAME, "a name in its normal form (lower case, single hyphens)"),
        ("version", _VERSION, "a version in its normal form (PEP 440)"),
        ("sha256", _SHA256, "64 lower-case hex digits"),
        ("file", _FILE, "the name of a wheel"),
        ("size", _SIZE, "a size in bytes, or '-'"),
        ("origin", _ORIGIN, "index, local, site, built or repaired:<sha256>"),
    )
    for group, pattern, wanted in checks:
        if pattern.fullmatch(match.group(group)) is None:
            raise malformed(where, number, "{} '{}'".format(group, _short(match.group(group))), wanted)
    name, file = match.group("name"), match.group("file")
    if normalise(file.split("-")[0]) != name:
        raise malformed(where, number, "file '{}'".format(_short(file)), "a wheel of {}".format(name))
    size = match.group("size")
    return LockedPackage(
        name=name,
        version=match.group("version"),
        sha256=match.group("sha256"),
        file=file,
        size=None if size == "-" else int(size),
        origin=match.group("origin"),
    )


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."


def malformed(where: str, number: int, found: str, wanted: str) -> Problem:
    """Return the problem of a lock whose line ``number`` is not as it was written."""
    return Problem(
        "lock.malformed",
        "the lock cannot be used: {}".format(found),
        "{}, line {}".format(where, number) if where else "line {}".format(number),
        wanted,
        "Restore the file from version control, or delete it, and the next run resolves it again.",
    )
