"""The lock file: one class of hosts, one complete set of packages, each pinned by version and SHA-256.

A lock is text that ``uv pip sync --require-hashes`` and ``pip install --require-hashes`` read as it
stands. It carries no address and no date, so it can be committed and the same inputs give the same bytes::

    # whisperx-fleet-lock: 1
    # class: venv-cpu-py3.13-…
    # request: {"ctranslate2":""}
    # platform: x86_64-manylinux_2_40
    # python: 3.13
    # device: cpu
    # torch-build:
    # torch-backend:
    # catalogue: <digest>
    # uv: 0.13.9
    # bytes: 61234567
    # content: <sha256 of the package lines>
    ctranslate2==4.8.5 --hash=sha256:<64 hex digits> # <file> <size or -> <origin>

A lock with further packages has one line more after ``request``, ``extras``: what was asked for, and the
modules and commands that they have. One with a managed Python has ``python-archive`` after ``python``.

``origin`` says where the file comes from: ``index``, ``local`` (a directory the user gave), ``site`` (a wheel
of a catalogued package that the user built), ``built`` (made on the controller from a source distribution) or
``repaired:<SHA-256 of the original>``. Only ``index`` files
are fetched by the host; the others travel with the run. ``content`` tells an edited lock from a written one;
it covers the archive too.

Standard library only, Python 3.8: the same file runs on the controller and on the targets.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from dataclasses import dataclass
from typing import Callable, Dict, List, Optional, Tuple

from ..whisperx_problem import Problem
from . import extras, standalone
from .names import normalise

__all__ = [
    "HEADER_KEYS",
    "SCHEMA",
    "Lock",
    "LockedPackage",
    "digest",
    "parse",
    "render",
    "total",
]

SCHEMA = "1"

# The header, in this order. The last two are computed from the package lines.
HEADER_KEYS = (
    "whisperx-fleet-lock",
    "class",
    "request",
    "extras",
    "platform",
    "python",
    "python-archive",
    "device",
    "torch-build",
    "torch-backend",
    "catalogue",
    "uv",
    "bytes",
    "content",
)

_COMPUTED = ("bytes", "content")
# Not written where they are empty, so that a lock without them is the one of before there were any.
_OPTIONAL = ("extras", "python-archive")
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


@dataclass(frozen=True)
class Lock:
    """A parsed lock: ``header`` has every key of HEADER_KEYS but optional ones that are empty; ``packages``
    are sorted by name.
    """

    header: Dict[str, str]
    packages: Tuple[LockedPackage, ...]

    @property
    def versions(self) -> Dict[str, str]:
        """Return name -> version."""
        return {package.name: package.version for package in self.packages}

    @property
    def extras(self) -> Tuple[extras.Extra, ...]:
        """Return what the lock notes of further packages."""
        return extras.read(self.header.get("extras", ""))

    @property
    def archive(self) -> Optional[standalone.Archive]:
        """Return the archive of the managed Python, None where the host's own is used."""
        return standalone.read(self.header.get("python-archive", ""))

    @property
    def bytes(self) -> Optional[int]:
        """Return the sum of all sizes in bytes, None when one is not known."""
        return total(self.packages)


def digest(text: str) -> str:
    """Return the SHA-256 of a lock's bytes, as hex digits."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def total(packages: Tuple[LockedPackage, ...]) -> Optional[int]:
    """Return the sum of the packages' sizes in bytes, None when one is not known."""
    sizes = [package.size for package in packages]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def render(lock: Lock) -> str:
    """Return the text of a lock; ``bytes`` and ``content`` are computed, whatever the header says.

    Raises Problem ("lock.malformed") when the lock could not be read back.
    """
    packages = tuple(sorted(lock.packages, key=lambda package: package.name))
    header = dict(lock.header)
    header.update(_computed(packages, header))
    lines = []
    for key in HEADER_KEYS:
        value = header.get(key, "")
        if key in _OPTIONAL and not value:
            continue
        lines.append("# {}: {}".format(key, value) if value else "# {}:".format(key))
    lines.extend(package.line() for package in packages)
    text = "\n".join(lines) + "\n"
    parse(text, "the lock to be written")
    return text


# The hosts of a class have one lock: a controller that looks at each of them reads it once.
@functools.lru_cache(maxsize=64)
def parse(text: str, where: str = "") -> Lock:
    """Read a lock. ``where`` is its path, for the message.

    Raises Problem ("lock.malformed") with the number of the first line that is not as ``render`` writes it.
    """
    lines = text.split("\n")
    if lines[-1] != "":
        raise _malformed(
            where, len(lines), "the last line has no line feed (half a file?)", "a complete lock"
        )
    lines.pop()
    header: Dict[str, str] = {}
    numbers: Dict[str, int] = {}
    for key in HEADER_KEYS:
        line = lines[len(header)] if len(header) < len(lines) else ""
        if key in _OPTIONAL and not line.startswith("# {}:".format(key)):
            continue
        numbers[key] = len(header) + 1
        header[key] = _header_value(line, key, where, numbers[key])
    packages: List[LockedPackage] = []
    for number, line in enumerate(lines[len(header) :], len(header) + 1):
        package = _package(line, where, number)
        if packages and package.name == packages[-1].name:
            raise _malformed(where, number, "{} is listed twice".format(package.name), "each package once")
        if packages and package.name < packages[-1].name:
            raise _malformed(
                where, number, "{} is out of order".format(package.name), "packages sorted by name"
            )
        packages.append(package)
    if not packages:
        raise _malformed(where, len(lines), "no package is listed", "at least one package")
    for key, value in _computed(tuple(packages), header).items():
        if header[key] != value:
            raise _malformed(
                where,
                numbers[key],
                "'{}: {}' does not agree with the package lines".format(key, header[key]),
                "an unedited lock ('{}: {}')".format(key, value),
            )
    lock = Lock(header, tuple(packages))
    strange = sorted({extra.name for extra in lock.extras} - set(lock.versions))
    if strange:
        found = "{} is an extra and not in the lock".format(strange[0])
        raise _malformed(where, numbers["extras"], found, "a package line of each extra")
    return lock


def _computed(packages: Tuple[LockedPackage, ...], header: Dict[str, str]) -> Dict[str, str]:
    size = total(packages)
    archive = header.get("python-archive", "")
    lines = ([archive] if archive else []) + [package.line() for package in packages]
    body = "".join(line + "\n" for line in lines)
    return {"bytes": "unknown" if size is None else str(size), "content": digest(body)}


def _header_value(line: str, key: str, where: str, number: int) -> str:
    match = _HEADER.fullmatch(line)
    if match is None or match.group(1) != key:
        raise _malformed(where, number, "'{}'".format(_short(line)), "'# {}: …'".format(key))
    value = match.group(2) or ""
    if not value and key not in _MAY_BE_EMPTY:
        raise _malformed(where, number, "'{}' has no value".format(key), "'# {}: …'".format(key))
    if key == "whisperx-fleet-lock" and value != SCHEMA:
        raise _malformed(where, number, "a lock of schema '{}'".format(_short(value)), "schema " + SCHEMA)
    if key == "request":
        _check_request(value, where, number)
    if key in _OPTIONAL:
        _check_noted(key, value, where, number)
    return value


def _check_request(value: str, where: str, number: int) -> None:
    try:
        request = json.loads(value)
    except ValueError:
        request = None
    if not isinstance(request, dict) or not all(isinstance(entry, str) for entry in request.values()):
        raise _malformed(
            where, number, "request '{}'".format(_short(value)), "a JSON map of name to specifier"
        )


def _check_noted(key: str, value: str, where: str, number: int) -> None:
    try:
        _READERS[key](value)
    except (ValueError, RecursionError) as error:
        found = "{} '{}': {}".format(key, _short(value), error)
        raise _malformed(where, number, found, _NOTED[key]) from None


def _package(line: str, where: str, number: int) -> LockedPackage:
    match = _PACKAGE.fullmatch(line)
    if match is None:
        raise _malformed(
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
            raise _malformed(where, number, "{} '{}'".format(group, _short(match.group(group))), wanted)
    name, file = match.group("name"), match.group("file")
    if normalise(file.split("-")[0]) != name:
        raise _malformed(where, number, "file '{}'".format(_short(file)), "a wheel of {}".format(name))
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


def _malformed(where: str, number: int, found: str, wanted: str) -> Problem:
    return Problem(
        "lock.malformed",
        "the lock cannot be used: {}".format(found),
        "{}, line {}".format(where, number) if where else "line {}".format(number),
        wanted,
        "Restore the file from version control, or delete it, and the next run resolves it again.",
    )
