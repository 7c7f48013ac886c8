"""Is a release still what was verified? A cheap check for every run, from what was noted when it was built.

Noted per release, in manifest.json: the installed packages, how many entries each directory has, and the size
of every shared object, program and RECORD. Checking that costs one listing per directory and one stat per
noted file (measured: 25 ms for 112 packages, 30,000 files). It sees packages that came, went or changed,
files and directories that are gone, libraries that were replaced. It does not see a Python file edited in
place, and entries that were added are not counted as damage, since programs write caches at run time.
"""

from __future__ import annotations

import os
import re
from typing import Any, Dict, Iterator, List, Optional

from ..whisperx_common import records
from ..whisperx_common.files import names_in, read_text
from ..whisperx_common.names import normalise
from ..whisperx_common.records import Schema, table, text, whole
from ..whisperx_placed.sources import NAMES
from ..whisperx_release.model import Release
from . import pythons
from .wheel_record import rows

__all__ = ["MANIFEST", "damage", "manifest", "noted", "packages", "poisoned"]

MANIFEST = "manifest.json"

_FIELDS = {"entries": table(whole), "sizes": table(whole), "packages": table(text)}
_NOTED = Schema(_FIELDS, frozenset(_FIELDS))

_CACHE = "__pycache__"
_NATIVE = re.compile(r"\.so(\.[0-9.]+)?$")
_DIST_INFO = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)\.dist-info$")


def packages(site_packages: str) -> Dict[str, str]:
    """Return name -> version of what is installed, {} when the directory is absent."""
    found: Dict[str, str] = {}
    for name in sorted(names_in(site_packages)):
        match = _DIST_INFO.match(name)
        if match:
            found[normalise(match.group("name"))] = match.group("version")
    return found


def manifest(path: str, site_packages: str) -> Dict[str, Any]:
    """Note what a freshly built release is made of; paths are relative to it."""
    entries: Dict[str, int] = {}
    sizes: Dict[str, int] = {}
    for top in (site_packages, os.path.join(path, "bin")):
        for directory, directories, files in os.walk(top):
            directories[:] = [name for name in directories if name not in (_CACHE, *NAMES)]
            relative = os.path.relpath(directory, path)
            entries[relative] = len(directories) + len(files)
            for name in _telling(relative, files):
                sizes[os.path.join(relative, name)] = os.stat(os.path.join(directory, name)).st_size
    return {"entries": entries, "sizes": sizes, "packages": packages(site_packages)}


def noted(release: Release) -> Optional[Dict[str, Any]]:
    """Return what the release was when it was verified, None when nobody knows."""
    return records.read(os.path.join(release.path, MANIFEST), _NOTED)


def damage(release: Release) -> List[str]:
    """Return what is no longer as it was verified, as sentences; [] when all is well."""
    if not os.access(os.path.join(release.path, "bin", "python"), os.X_OK):
        return ["its Python interpreter ({}) is gone".format(release.value("python_path", "bin/python"))]
    path = os.path.join(release.path, MANIFEST)
    known = noted(release)
    if known is None:
        return ["{} is {}".format(MANIFEST, "not as it was written" if os.path.exists(path) else "missing")]
    found = list(_package_damage(known["packages"], packages(release.site_packages)))
    return found or list(_file_damage(release.path, known)) or pythons.hurt(release)


def poisoned(release: Release) -> List[str]:
    """Return the packages of which a file has another size than its RECORD says.

    Environment and download cache share their files (hard links), so an edit in place is in both: such
    packages have to be fetched anew.
    """
    found: List[str] = []
    try:
        names = os.listdir(release.site_packages)
    except OSError:
        return found
    for name in sorted(names):
        match = _DIST_INFO.match(name)
        text = read_text(os.path.join(release.site_packages, name, "RECORD")) if match else None
        if match and text is not None and _edited(release.site_packages, text):
            found.append(normalise(match.group("name")))
    return found


def _edited(site_packages: str, record: str) -> bool:
    for row in rows(record):
        if len(row) == 3 and row[2].isdigit():
            size = _size(os.path.join(site_packages, row[0]))
            if size not in (-1, int(row[2])):
                return True
    return False


def _telling(directory: str, files: List[str]) -> List[str]:
    """Return the files of a directory whose size is noted: libraries, programs, RECORD."""
    if directory == "bin":
        return [name for name in files if not name.startswith("activate")]
    return [name for name in files if name == "RECORD" or _NATIVE.search(name)]


def _package_damage(noted: Dict[str, str], found: Dict[str, str]) -> Iterator[str]:
    for name in sorted(set(noted) | set(found)):
        if name not in found:
            yield "{} {} is missing".format(name, noted[name])
        elif name not in noted:
            yield "{} {} is installed but not in the lock".format(name, found[name])
        elif noted[name] != found[name]:
            yield "{} is {}, locked is {}".format(name, found[name], noted[name])


def _file_damage(path: str, noted: Dict[str, Any]) -> Iterator[str]:
    for relative, size in noted["sizes"].items():
        found = _size(os.path.join(path, relative))
        if found != size:
            yield "{} {}".format(relative, "is gone" if found < 0 else "changed its size")
    for relative, count in noted["entries"].items():
        present = _entries(os.path.join(path, relative))
        if present < count:
            lacks = "is gone" if present < 0 else "lacks {} of {} files".format(count - present, count)
            yield "{} {}".format(relative, lacks)


def _size(path: str) -> int:
    """Return a file's size in bytes, -1 when it is gone."""
    try:
        return os.stat(path).st_size
    except OSError:
        return -1


def _entries(path: str) -> int:
    """Return how many entries a directory has but for compiled Python, -1 when it is gone."""
    try:
        names = os.listdir(path)
    except OSError:
        return -1
    return len(names) - (_CACHE in names)
