"""Take files from the site's wheelhouse over HTTP: resumed where a run was cut off, and verified."""

from __future__ import annotations

import http.client
import os
import shutil
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Sequence, Tuple

from ..whisperx_common.files import discard, sha256
from ..whisperx_common.lockfile import LockedPackage
from ..whisperx_common.progress import Progress
from ..whisperx_problem import Problem
from ..whisperx_release.model import Layout

__all__ = ["fetch"]

_BLOCK = 1 << 20
_AT_ONCE = 4
_TIMEOUT = 60  # seconds without a byte
_TRIES = 3
_BROKEN = (OSError, http.client.HTTPException)


def fetch(layout: Layout, packages: Sequence[LockedPackage], wheelhouse: str, progress: Progress) -> int:
    """Put each file of ``wheelhouse``/<SHA-256>/<name> at files/<SHA-256>/<name>; return the bytes that came.

    Raises Problem "env.wheelhouse" when the wheelhouse does not answer, "env.transfer" for a wrong file.
    """
    # Within a site nothing stands between a host and its wheelhouse.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def one(package: LockedPackage) -> int:
        moved = _one(opener, layout, package, wheelhouse)
        progress.done(package.name)
        return moved

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return sum(pool.map(one, packages))


def _one(opener: urllib.request.OpenerDirector, layout: Layout, item: LockedPackage, wheelhouse: str) -> int:
    target = layout.path("files", item.sha256, item.file)
    if os.path.isfile(target):
        return 0
    os.makedirs(os.path.dirname(target), exist_ok=True)
    beside = target + ".new"  # what is there of it, a run that was cut off left
    moved, why = 0, ""
    for _ in range(_TRIES):
        try:
            moved += _rest(opener, "/".join((wheelhouse.rstrip("/"), item.sha256, item.file)), beside)
        except urllib.error.HTTPError as error:
            why = "HTTP {}".format(error.code)
            if error.code != 416:
                continue
        except _BROKEN as error:
            why = str(getattr(error, "reason", None) or error) or type(error).__name__
            continue
        if os.path.exists(beside) and sha256(beside) == item.sha256:
            os.chmod(beside, 0o644)
            os.replace(beside, target)
            return moved
        why = "another file than the locked one"
        discard(beside)
    if why.startswith("another"):
        discard(os.path.dirname(target))
        raise Problem(
            "env.transfer",
            "the wheelhouse serves {}".format(why),
            item.file,
            "SHA-256 {}".format(item.sha256),
            "Remove that file from the wheelhouse; the next run fetches it anew.",
        )
    raise Problem(
        "env.wheelhouse",
        "{} cannot be had from the wheelhouse: {}".format(item.file, why),
        _server(wheelhouse),
        "a wheelhouse that this host reaches",
        "Open the port, set whisperx_wheelhouse_address, or set whisperx_wheelhouse_mode to connection.",
    )


def _rest(opener: urllib.request.OpenerDirector, url: str, path: str) -> int:
    """Append to ``path`` what it lacks of ``url``; return the bytes that came."""
    have = os.path.getsize(path) if os.path.exists(path) else 0
    request = urllib.request.Request(url, headers={"Range": "bytes={}-".format(have)} if have else {})
    with opener.open(request, timeout=_TIMEOUT) as answer:
        with open(path, "ab" if answer.status == 206 else "wb") as stream:
            start = stream.tell()
            shutil.copyfileobj(answer, stream, _BLOCK)
            moved = stream.tell() - start
        length = answer.headers.get("Content-Length")
        if length and int(length) != moved:
            raise http.client.IncompleteRead(b"", int(length) - moved)
    return moved


def _server(url: str) -> str:
    """Return the server of an address, without the key that lies in its path."""
    parts: Tuple[str, str, str] = url.partition("://")
    return parts[0] + parts[1] + parts[2].partition("/")[0].rpartition("@")[2]
