"""Take files from the site's wheelhouse over HTTP: resumed where a run was cut off, and verified."""

from __future__ import annotations

import errno
import http.client
import os
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Sequence, Tuple

from ..whisperx_common.download import USUAL, Limits, TooLong, TooSlow, Unwritable, download
from ..whisperx_common.durable import make_directories
from ..whisperx_common.files import discard, sha256
from ..whisperx_common.lockfile import LockedPackage
from ..whisperx_common.progress import Progress
from ..whisperx_problem import Problem
from ..whisperx_release.model import Layout
from .supplies import is_sound

__all__ = ["fetch"]

_AT_ONCE = 4
_TRIES = 3
_FULL = (errno.ENOSPC, errno.EDQUOT)
_BROKEN = (OSError, http.client.HTTPException)


def fetch(
    layout: Layout,
    packages: Sequence[LockedPackage],
    wheelhouse: str,
    progress: Progress,
    limits: Limits = USUAL,
) -> int:
    """Put each file of ``wheelhouse``/<SHA-256>/<name> at files/<SHA-256>/<name>; return the bytes that came.

    Raises Problem "env.wheelhouse" when the wheelhouse does not answer, "env.transfer" for a wrong file,
    "env.disk-space" for a full disk.
    """

    def one(package: LockedPackage) -> int:
        moved = _one(layout, package, wheelhouse, limits)
        progress.done(package.name)
        return moved

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return sum(pool.map(one, packages))


def _one(layout: Layout, item: LockedPackage, wheelhouse: str, limits: Limits) -> int:
    if is_sound(layout, item.sha256, item.file):
        return 0
    target = layout.path("files", item.sha256, item.file)
    make_directories(os.path.dirname(target), 0o755, layout.root)
    discard(target, layout.root)  # it is another file than the locked one
    beside = target + ".new"  # what is there of it, a run that was cut off left
    if os.path.islink(beside) or (os.path.lexists(beside) and not os.path.isfile(beside)):
        discard(beside, layout.root)
    moved, why = 0, ""
    for _ in range(_TRIES):
        request = urllib.request.Request("/".join((wheelhouse.rstrip("/"), item.sha256, item.file)))
        try:
            # Within a site nothing stands between a host and its wheelhouse.
            moved += download(request, beside, item.size, _silent, proxies={}, limits=limits)
        except urllib.error.HTTPError as error:
            why = "HTTP {}".format(error.code)
            if error.code != 416:
                continue
        except TooLong:
            why = "another file than the locked one: more than {} bytes".format(item.size)
            discard(beside)
            continue
        except TooSlow:
            why = "it comes too slowly"
            break
        except Unwritable as error:
            raise _unwritable(layout, item, error.cause) from None
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
            "Remove that file from the wheelhouse; the next run downloads it again.",
        )
    raise Problem(
        "env.wheelhouse",
        "{} cannot be had from the wheelhouse: {}".format(item.file, why),
        _server(wheelhouse),
        "a wheelhouse that this host reaches",
        "Open the port, set whisperx_wheelhouse_address, or set whisperx_wheelhouse_mode to connection.",
    )


def _silent(_size: int) -> None:
    """Tell nobody: here progress is counted in files."""


def _unwritable(layout: Layout, item: LockedPackage, error: OSError) -> Problem:
    full = error.errno in _FULL
    return Problem(
        "env.disk-space" if full else "env.not-writable",
        "{} cannot be written: {}".format(item.file, error.strerror or error),
        layout.path("files"),
        "room for what the lock names" if full else "a directory to write in",
        "Free some space, or set whisperx_venv_root to another file system.",
    )


def _server(url: str) -> str:
    """Return the server of an address, without the key that lies in its path."""
    parts: Tuple[str, str, str] = url.partition("://")
    return parts[0] + parts[1] + parts[2].partition("/")[0].rpartition("@")[2]
