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
from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

from . import extras, standalone
from .lock_lines import SCHEMA, LockedPackage, header_value, malformed, package_of

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

# Not written where they are empty, so that a lock without them is the one of before there were any.
_OPTIONAL = ("extras", "python-archive")


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
        raise malformed(where, len(lines), "the last line has no line feed (half a file?)", "a complete lock")
    lines.pop()
    header: Dict[str, str] = {}
    numbers: Dict[str, int] = {}
    for key in HEADER_KEYS:
        line = lines[len(header)] if len(header) < len(lines) else ""
        if key in _OPTIONAL and not line.startswith("# {}:".format(key)):
            continue
        numbers[key] = len(header) + 1
        header[key] = header_value(line, key, where, numbers[key])
    packages: List[LockedPackage] = []
    for number, line in enumerate(lines[len(header) :], len(header) + 1):
        package = package_of(line, where, number)
        if packages and package.name == packages[-1].name:
            raise malformed(where, number, "{} is listed twice".format(package.name), "each package once")
        if packages and package.name < packages[-1].name:
            raise malformed(
                where, number, "{} is out of order".format(package.name), "packages sorted by name"
            )
        packages.append(package)
    if not packages:
        raise malformed(where, len(lines), "no package is listed", "at least one package")
    for key, value in _computed(tuple(packages), header).items():
        if header[key] != value:
            raise malformed(
                where,
                numbers[key],
                "'{}: {}' does not agree with the package lines".format(key, header[key]),
                "an unedited lock ('{}: {}')".format(key, value),
            )
    lock = Lock(header, tuple(packages))
    strange = sorted({extra.name for extra in lock.extras} - set(lock.versions))
    if strange:
        found = "{} is an extra and not in the lock".format(strange[0])
        raise malformed(where, numbers["extras"], found, "a package line of each extra")
    return lock


def _computed(packages: Tuple[LockedPackage, ...], header: Dict[str, str]) -> Dict[str, str]:
    size = total(packages)
    archive = header.get("python-archive", "")
    lines = ([archive] if archive else []) + [package.line() for package in packages]
    body = "".join(line + "\n" for line in lines)
    return {"bytes": "unknown" if size is None else str(size), "content": digest(body)}
