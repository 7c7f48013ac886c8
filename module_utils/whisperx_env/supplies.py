"""Target: files that travelled to the host: files/<SHA-256>/<name>. The digest is trusted, never the name.

A file is opened once, and what was opened is what is compared and then used: a program is started through
its descriptor, so that nobody can put another one in between. Wheels are compared before a build; uv compares
each again with the lock while it unpacks it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from typing import Container, Dict, Iterable, Iterator, List, Optional

from ..whisperx_common.durable import make_directories
from ..whisperx_common.files import discard, opened, sha256_of
from ..whisperx_problem import Problem
from ..whisperx_release.model import Layout
from . import shelf
from .model import Carried, Options, Wanted

__all__ = ["UV", "Program", "carry", "is_sound", "missing", "take_in", "uv"]

UV = "uv"

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Program:
    """A program whose digest was compared: ``path`` to start it by, and the descriptor the path leads to."""

    path: str
    descriptor: int


def is_sound(layout: Layout, digest: str, name: str) -> bool:
    """Return whether files/ has this file, and its contents are what its place says."""
    try:
        with opened(layout.path("files", digest, name), layout.root) as stream:
            return sha256_of(stream) == digest
    except OSError:
        return False


def missing(
    layout: Layout, wanted: Wanted, options: Options, edited: Container[str] = (), python: bool = False
) -> List[Dict[str, str]]:
    """Return what has to travel to the host before a build: uv, and wheels it cannot take itself.

    With ``python``, the archive of the managed Python too.

    A file with other contents than its place says is not there; nor is what uv unpacked of the packages in
    ``edited``, which is going to be discarded.
    """
    carried = [item for item in options.carried if item.file == UV]
    files = {item.sha256: UV for item in carried}
    files.update((package.sha256, package.file) for package in wanted.lock.packages)
    archive = wanted.archive if python else None
    if archive:
        files[archive.sha256] = archive.file
    here = {name for name in shelf.carried(layout) if name in files and is_sound(layout, name, files[name])}
    here |= {item.sha256 for item in options.carried if item.path}
    gone = {package.sha256 for package in wanted.lock.packages if package.name in edited}
    found = [
        {"file": package.file, "sha256": package.sha256}
        for package in shelf.to_bring(wanted, options, here, shelf.unpacked(layout) - gone)
        if package.travels or not options.wheelhouse
    ]
    if archive and archive.sha256 not in here:
        found.insert(0, {"file": archive.file, "sha256": archive.sha256})
    digest = carried[0].sha256 if carried else ""
    if digest not in here:
        found.insert(0, {"file": UV, "sha256": digest})
    return found


@contextlib.contextmanager
def uv(layout: Layout, digests: Iterable[str]) -> Iterator[Optional[Program]]:
    """Open the first uv of these digests that is what it says; None when there is none.

    One with other contents is removed, so that the next run asks for it.
    """
    for digest in digests:
        path = layout.path("files", digest, UV)
        with contextlib.ExitStack() as stack:
            try:
                stream = stack.enter_context(opened(path, layout.root))
                sound = sha256_of(stream) == digest
            except OSError:
                sound = False
            if sound:
                yield _program(path, stream.fileno())
                return
        if os.path.lexists(path):
            discard(layout.path("files", digest), layout.root)
    yield None


def carry(layout: Layout, item: Carried) -> None:
    """Take a transferred file into files/. Raises Problem "env.transfer" when its contents are others."""
    if item.path and not is_sound(layout, item.sha256, item.file):
        with open(item.path, "rb") as source:
            found = take_in(layout, item, iter(lambda: source.read(_BLOCK), b""))
        if found != item.sha256:
            raise Problem(
                "env.transfer",
                "SHA-256 {}".format(found),
                item.file,
                "SHA-256 {}".format(item.sha256),
                "The file changed on its way or on the controller; run again.",
            )


def take_in(layout: Layout, item: Carried, blocks: Iterable[bytes]) -> str:
    """Write a file into files/ if its contents are right; return their SHA-256."""
    folder = layout.path("files", item.sha256)
    discard(folder, layout.root)
    make_directories(folder, 0o755, layout.root)
    target = os.path.join(folder, item.file)
    digest = hashlib.sha256()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(target + ".new", flags, 0o600), "wb") as stream:
        for block in blocks:
            digest.update(block)
            stream.write(block)
        stream.flush()
        os.fchmod(stream.fileno(), 0o755 if item.file == UV else 0o644)
        os.fsync(stream.fileno())
    if digest.hexdigest() != item.sha256:
        discard(folder, layout.root)
        return digest.hexdigest()
    os.replace(target + ".new", target)
    return item.sha256


def _program(path: str, descriptor: int) -> Program:
    opened_again = "/proc/self/fd/{}".format(descriptor)
    return Program(opened_again if os.path.exists(opened_again) else path, descriptor)
