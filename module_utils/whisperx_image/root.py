"""The facts of a root file system in a tar: unpacked beside, read as any host's files are, removed again."""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..whisperx_common.cache_dir import cache_dir_of
from ..whisperx_common.digests import Digests
from ..whisperx_common.noted import noted
from ..whisperx_host import probe as reader
from ..whisperx_problem import Problem

__all__ = ["root_facts"]

# What an image gives to a plan; hardware and kernel are the host's.
_KEPT = ("os", "libc", "machine", "pythons", "ffmpeg")
# Nothing below these tells a fact, and they are most of a root.
_SKIPPED = ("usr/share/doc/", "usr/share/locale/", "usr/share/man/", "var/cache/", "var/log/")


def root_facts(path: str, distribution: Callable[..., Any], cache: str = "") -> dict[str, Any]:
    """Return the facts of the root in the tar at ``path``, plain or compressed.

    ``distribution``: the class LinuxDistribution of the package distro. ``cache``: a directory that keeps
    them by the digests of the tar and of what reads it, "" for the toolkit's own. Raises Problem "image.base"
    for what is no tar, "host.…" for what is in it.
    """
    path = os.path.abspath(os.path.expanduser(path))
    try:
        kept = cache_dir_of(cache)
        digests = Digests(str(kept / "digests.json"))
        recipe = {"kind": "root", "sha256": digests.of(path), "reader": _reader_digest()}
        found = noted(str(kept), recipe, lambda: _read(path, distribution))
        digests.save()
        return found
    except (OSError, tarfile.TarError) as error:
        raise Problem(
            "image.base",
            str(getattr(error, "strerror", None) or error),
            path,
            "the tar of a root file system on the controller",
            "Correct whisperx_plan_container_root.",
        ) from None


def _reader_digest() -> str:
    """Return the SHA-256 of the program that reads facts: another version may read others."""
    files = [Path(__file__), *sorted(Path(reader.__file__).parent.glob("*.py"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _read(path: str, distribution: Callable[..., Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="whisperx-base-") as root:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                name = os.path.normpath(member.name).lstrip("/")
                if name.startswith("../") or name.startswith(_SKIPPED):
                    continue
                member.name = name
                if member.isdir() or member.issym() or member.isreg() or member.islnk():
                    _unpack(archive, member, root)
        facts = reader.probe(root, 1.0, {}, distribution)
    return {key: facts[key] for key in _KEPT if facts.get(key)}


def _unpack(archive: tarfile.TarFile, member: tarfile.TarInfo, root: str) -> None:
    """Write one member, without its owner; a link is written as it is and never followed out of the root."""
    place = os.path.join(root, member.name)
    parent = os.path.dirname(place)
    if not os.path.realpath(parent).startswith(os.path.realpath(root)):
        return
    os.makedirs(parent, exist_ok=True)
    if member.isdir():
        os.makedirs(place, exist_ok=True)
    elif member.issym():
        if not os.path.lexists(place):
            os.symlink(member.linkname, place)
    else:
        stream = archive.extractfile(member)
        if stream is not None and not os.path.islink(place):
            with open(place, "wb") as target:
                for block in iter(lambda: stream.read(1 << 20), b""):
                    target.write(block)
            os.chmod(place, member.mode & 0o777 | 0o600)
