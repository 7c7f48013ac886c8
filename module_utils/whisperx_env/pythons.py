"""Target: managed Pythons: pythons/<SHA-256>/<build>, unpacked by uv once, shared by the releases of a root.

Beside each tree lies a record of what was unpacked. It is written when all of it is on disk: without it there
is no such Python. A tree is compared with it before a release is built upon it, for uv takes what is there.
One that is not as it was gets no release any more; as others may run on it, another is unpacked beside it.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from typing import Any, Dict, Iterable, Iterator, List, Optional, Set, Tuple

from ..whisperx_common import beneath, records, standalone
from ..whisperx_common.files import discard, names_in, opened, sha256_of
from ..whisperx_common.records import Schema
from ..whisperx_release.model import Layout, Release

__all__ = ["DIRECTORY", "Tree", "find", "forget", "hurt", "noted", "surplus", "used"]

DIRECTORY = "pythons"

# A tree, its record, and what a killed run left of either.
_NAME = re.compile(
    r"(?P<name>[0-9a-f]{64}(?:\.[1-9][0-9]{0,3})?)(?:\.json|\.going|\.[0-9a-f]{8}(?=\.new)|\.new)*"
)


def _file(value: Any) -> bool:
    """Size and SHA-256 of a file, or the target of a link."""
    pair = isinstance(value, list) and len(value) == 2
    return records.text(value) or (pair and records.whole(value[0]) and records.text(value[1]))


_NOTED = Schema(
    {"archive": lambda value: isinstance(value, dict), "files": records.table(_file)},
    frozenset({"archive", "files"}),
)


@dataclass(frozen=True)
class Tree:
    """One managed Python on a host: ``name`` is its directory's, the digest or the digest and a number."""

    layout: Layout
    archive: standalone.Archive
    name: str

    @property
    def folder(self) -> str:
        """The directory that uv installs into."""
        return self.layout.path(DIRECTORY, self.name)

    @property
    def path(self) -> str:
        """The tree itself."""
        return os.path.join(self.folder, self.archive.key)

    @property
    def program(self) -> str:
        """The interpreter."""
        return os.path.join(self.path, "bin", "python" + self.archive.minor)

    @property
    def note(self) -> str:
        """The record of what was unpacked."""
        return self.folder + ".json"


def find(layout: Layout, archive: standalone.Archive, needed: Iterable[str]) -> Tuple[Tree, bool]:
    """Return where a managed Python is, or is to be unpacked, and whether it is there and as it was.

    ``needed`` are the names of trees that releases stand on: of those none is replaced.
    """
    taken, number = set(needed), 1
    while True:
        tree = Tree(layout, archive, archive.sha256 if number == 1 else f"{archive.sha256}.{number}")
        if tree.name not in taken and not os.path.lexists(tree.note):
            return tree, False
        if next(differences(tree), None) is None:
            return tree, True
        if tree.name not in taken:
            return tree, False
        number += 1


def noted(folder: str) -> Optional[Dict[str, Any]]:
    """Return the record of the Python in ``folder`` (pythons/<name>): ``archive`` and ``files``; or None."""
    return records.read(folder + ".json", _NOTED)


def differences(tree: Tree) -> Iterator[str]:
    """Yield what of a tree is not as it was unpacked: every file is read."""
    known = noted(tree.folder)
    if known is None:
        yield "its record is missing"
        return
    if known["archive"] != tree.archive.record():
        yield "its record is of another archive"
        return
    found = contents(tree.folder, tree.layout.root)
    for name in sorted(set(found) | set(known["files"])):
        if found.get(name) != known["files"].get(name):
            yield "{} {}".format(name, _word(found.get(name), known["files"].get(name)))


def contents(folder: str, below: str) -> Dict[str, Any]:
    """Return what is below a directory: relative path -> [size, SHA-256], or a link's target.

    What others may write is there with another size, so that it is never as it was noted.
    """
    found: Dict[str, Any] = {}
    for relative, descriptor, directories, others in beneath.walk(folder, below):
        for name in [*directories, *others]:
            facts = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            path = os.path.join(relative, name)
            if stat.S_ISLNK(facts.st_mode):
                found[path] = os.readlink(name, dir_fd=descriptor)
            elif facts.st_mode & 0o022 or not (stat.S_ISREG(facts.st_mode) or name in directories):
                found[path] = [-1, ""]
            elif name in others:
                with opened(os.path.join(folder, path), below) as stream:
                    found[path] = [facts.st_size, sha256_of(stream)]
    return found


def hurt(release: Release) -> List[str]:
    """Return what is wrong with the managed Python of a release, as sentences: by sizes and links alone.

    What was added is no damage. A release with the host's own Python has none.
    """
    if not release.value("python_archive"):
        return []
    path = os.path.dirname(os.path.dirname(str(release.value("python_path"))))
    folder = os.path.dirname(path)
    known = noted(folder)
    if known is None:
        return ["its managed Python ({}) is gone".format(path)]
    found = [
        "its managed Python: {} {}".format(name, _word(seen, wanted))
        for name, wanted in known["files"].items()
        for seen in [_look(os.path.join(folder, name))]
        if seen != (wanted if isinstance(wanted, str) else wanted[0])
    ]
    return found


def used(layout: Layout, releases: Iterable[Release]) -> Set[str]:
    """Return the names of the trees that some releases stand on, complete or not."""
    top = layout.path(DIRECTORY) + os.sep
    found = set()
    for release in releases:
        places = [str(release.value("python_path"))]
        try:
            places.append(os.readlink(os.path.join(release.path, "bin", "python")))
        except OSError:
            pass
        found |= {place[len(top) :].partition(os.sep)[0] for place in places if place.startswith(top)}
    return found


def surplus(layout: Layout, needed: Iterable[str]) -> List[Tuple[str, str]]:
    """Return name and version of the trees that are none of the ``needed``, whatever is left of them."""
    if os.path.islink(layout.path(DIRECTORY)):
        return []
    names = {_name(entry) for entry in names_in(layout.path(DIRECTORY))} - {"", *needed}
    return [(name, _version(layout.path(DIRECTORY, name))) for name in sorted(names)]


def forget(layout: Layout, name: str) -> None:
    """Remove a tree and its record, and what is left of either."""
    top = layout.path(DIRECTORY)
    for entry in sorted(names_in(top)):  # the tree first, its record after it
        if _name(entry) == name:
            discard(os.path.join(top, entry), layout.root)


def _name(entry: str) -> str:
    """Return the name of the tree that an entry of pythons/ belongs to, "" for none of ours."""
    match = _NAME.fullmatch(entry)
    return match.group("name") if match else ""


def _version(folder: str) -> str:
    try:
        known = noted(folder)
        return standalone.of(known["archive"]).version if known else ""
    except (OSError, ValueError):
        return ""


def _look(path: str) -> Any:
    """Return a file's size, or a link's target; None for neither."""
    try:
        facts = os.lstat(path)
        return os.readlink(path) if stat.S_ISLNK(facts.st_mode) else facts.st_size
    except OSError:
        return None


def _word(found: Any, wanted: Any) -> str:
    if found is None:
        return "is gone"
    return "was added" if wanted is None else "was changed"
