"""Take files from the site's wheelhouse over HTTP: resumed where a run was cut off, and verified."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Sequence

from ..whisperx_common.download import USUAL, Limits, Unwritable
from ..whisperx_common.durable import make_directories
from ..whisperx_common.files import discard
from ..whisperx_common.lockfile import LockedPackage
from ..whisperx_common.progress import Progress
from ..whisperx_common.site_store import server, take
from ..whisperx_problem import Problem
from ..whisperx_release.model import Layout
from .supplies import is_sound

__all__ = ["fetch"]

_AT_ONCE = 4
_TRIES = 3
_FULL = (errno.ENOSPC, errno.EDQUOT)


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
    url = "/".join((wheelhouse.rstrip("/"), item.sha256, item.file))
    try:
        taken = take(url, beside, item.size, item.sha256, _TRIES, layout.root, limits)
    except Unwritable as error:
        raise _unwritable(layout, item, error.cause) from None
    if taken.there:
        os.chmod(beside, 0o644)
        os.replace(beside, target)
        return taken.moved
    if taken.other:
        discard(os.path.dirname(target))
        raise Problem(
            "env.transfer",
            ": ".join(filter(None, ("the wheelhouse serves another file than the locked one", taken.why))),
            item.file,
            "SHA-256 {}".format(item.sha256),
            "Remove that file from the wheelhouse; the next run downloads it again.",
        )
    raise Problem(
        "env.wheelhouse",
        "{} cannot be had from the wheelhouse: {}".format(item.file, taken.why),
        server(wheelhouse),
        "a wheelhouse that this host reaches",
        "Open the port, set whisperx_wheelhouse_address, or set whisperx_wheelhouse_mode to connection.",
    )


def _unwritable(layout: Layout, item: LockedPackage, error: OSError) -> Problem:
    full = error.errno in _FULL
    return Problem(
        "env.disk-space" if full else "env.not-writable",
        "{} cannot be written: {}".format(item.file, error.strerror or error),
        layout.path("files"),
        "room for what the lock names" if full else "a directory to write in",
        "Free some space, or set whisperx_venv_root to another file system.",
    )
