"""What a bundle lists and what it holds: it is used only if both are the same.

Whoever carries a bundle can change it, the list too. So the list's own digest is printed when the bundle is
made, and compared when it is used with the one that a person carried another way.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ..whisperx_common.wording import named, printable
from ..whisperx_problem import Problem

__all__ = ["SCHEMA", "SUMS", "Listing", "check", "members", "read_listing"]

SUMS = "SHA256SUMS"
SCHEMA = 1
_LINE = re.compile(r"([0-9a-f]{64})  ([^\n]+)")
_LARGEST = 64 << 20  # bytes of a list or a record; a bundle of a thousand wheels has 200 kB
_SHOWN = 3
_AGAIN = "Copy the bundle again, or make it again with playbooks/bundle.yml."


@dataclass(frozen=True)
class Listing:
    """A list: its own SHA-256, and name -> SHA-256 of the files in it."""

    digest: str
    files: dict[str, str]


def read_listing(root: Path) -> Listing | None:
    """Return the list of a bundle, None where there is none. Raises Problem "bundle.damaged"."""
    path = root / SUMS
    if not os.path.lexists(path):
        return None
    data = _read(path)
    files: dict[str, str] = {}
    for line in data.decode("utf-8", "replace").split("\n"):
        match = _LINE.fullmatch(line)
        name = match.group(2) if match else ""
        if line and (match is None or not _inside(name) or name in files):
            raise Problem(
                "bundle.damaged",
                f"{SUMS} has a malformed line: {printable(line[:100])}",
                str(path),
                "lines of a SHA-256, two spaces and a name, no name twice",
                _AGAIN,
            )
        if match:
            files[name] = match.group(1)
    return Listing(hashlib.sha256(data).hexdigest(), files)


def members(root: Path) -> Iterator[tuple[str, bool]]:
    """Yield the name of everything in a directory but directories, and whether it is a regular file.

    No link is followed. Raises Problem "bundle.damaged" for what cannot be read.
    """
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(root / folder) as entries:
                for entry in entries:
                    name = f"{folder}{entry.name}"
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(name + "/")
                    else:
                        yield name, entry.is_file(follow_symlinks=False)
        except OSError as error:
            raise Problem(
                "bundle.damaged",
                f"a directory that cannot be read: {error.strerror or error}",
                printable(str(root / folder)),
                "a bundle that this user may read",
                _AGAIN,
            ) from None


def check(root: Path, digest: str = "") -> dict[str, Any]:
    """Compare a bundle with its list, and the list with ``digest`` where one is given; return bundle.json.

    Raises Problem ("bundle.…"): for a file that is missing, damaged, not listed, or no regular file.
    """
    listing = read_listing(root)
    if listing is None or "bundle.json" not in listing.files:
        raise Problem(
            "bundle.none",
            f"no bundle is there: {SUMS} is missing, or lists no bundle.json",
            str(root),
            "a directory that playbooks/bundle.yml made",
            "Set whisperx_wheelhouse_bundle to it; unpack it first if it is an archive.",
        )
    _compare_list(root, listing, digest)
    found = dict(members(root))
    _refuse_unlisted(root, [name for name in found if name not in listing.files and name != SUMS])
    with ThreadPoolExecutor(2) as pool:
        names = [name for name in listing.files if found.get(name)]
        digests = dict(zip(names, pool.map(lambda name: _digest(root / name), names), strict=True))
    wrong = [f"{printable(name)} is missing" for name in listing.files if name not in found]
    wrong += [f"{printable(name)} is no regular file" for name in listing.files if found.get(name) is False]
    wrong += [f"{printable(name)} is damaged" for name in names if digests[name] != listing.files[name]]
    if wrong:
        raise Problem(
            "bundle.damaged",
            "the bundle is not as it was made: " + named(wrong, _SHOWN),
            str(root),
            f"every file of {SUMS}, with its digest",
            _AGAIN,
        )
    return _record(root / "bundle.json", listing.files["bundle.json"])


def _compare_list(root: Path, listing: Listing, digest: str) -> None:
    wanted = digest.strip().lower().removeprefix("sha256:")
    if wanted and re.fullmatch("[0-9a-f]{64}", wanted) is None:
        raise Problem(
            "bundle.digest",
            repr(digest[:100]),
            "whisperx_wheelhouse_bundle_digest",
            f"the SHA-256 of {SUMS}, 64 hex digits",
            "Take it from where the bundle was made: playbooks/bundle.yml prints it.",
        )
    if wanted not in ("", listing.digest):
        raise Problem(
            "bundle.digest",
            f"the bundle's {SUMS} has SHA-256 {listing.digest}",
            str(root),
            wanted,
            "Do not use this bundle: it is another one than was made, or was changed on its way.",
        )


def _refuse_unlisted(root: Path, names: Sequence[str]) -> None:
    if names:
        raise Problem(
            "bundle.unlisted",
            f"the bundle holds what {SUMS} does not list: "
            + named([printable(name) for name in sorted(names)], _SHOWN),
            str(root),
            "the files that the bundle was made of, and no more",
            "Remove them if you know where they come from, or copy the bundle again.",
        )


def _record(path: Path, sha256: str) -> dict[str, Any]:
    """Return bundle.json, from the very bytes that were compared."""
    data = _read(path)
    try:
        record = json.loads(data)
    except (ValueError, RecursionError):
        record = None
    schema = record.get("schema") if isinstance(record, dict) else None
    if hashlib.sha256(data).hexdigest() != sha256 or not isinstance(record, dict) or schema != SCHEMA:
        raise Problem(
            "bundle.schema",
            f"a bundle of schema {printable(repr(schema)[:40])}",
            str(path),
            f"schema {SCHEMA}",
            "Make the bundle with the checkout that installs from it.",
        )
    return record


def _inside(name: str) -> bool:
    """Return whether a name is one file's, in its one spelling, below the bundle."""
    parts = PurePosixPath(name).parts
    plain = str(PurePosixPath(name)) == name and not name.startswith("/")
    return plain and ".." not in parts and name != SUMS


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def _read(path: Path) -> bytes:
    """Return a small file. Raises Problem "bundle.damaged"."""
    why = f"larger than {_LARGEST >> 20} MiB"
    try:
        with open(_open(path), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                why = "no regular file"
            elif len(data := stream.read(_LARGEST + 1)) <= _LARGEST:
                return data
    except OSError as error:
        why = error.strerror or str(error)
    raise Problem("bundle.damaged", f"{path.name} cannot be used: {why}", str(path), "a small text", _AGAIN)


def _digest(path: Path) -> str:
    """Return the SHA-256 of a regular file, "" of what cannot be read."""
    try:
        with open(_open(path), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                return ""
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""
