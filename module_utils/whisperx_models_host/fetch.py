"""Take files of models from the site's store over HTTP: resumed where a run was cut off, and verified."""

from __future__ import annotations

import errno
from typing import Mapping

from ..whisperx_common.download import USUAL, Limits, Unwritable
from ..whisperx_common.site_store import server, take
from ..whisperx_problem import Problem
from . import place
from .model import Layout

__all__ = ["NAME", "fetch"]

# Under which the site's store has every file of a model, whatever the model calls it.
NAME = "data"
_TRIES = 4
_FULL = (errno.ENOSPC, errno.EDQUOT)


def fetch(layout: Layout, missing: Mapping[str, int], url: str, limits: Limits = USUAL) -> int:
    """Put the files of ``url``/<SHA-256>/data into the store; return the bytes that came.

    One after another: a few large files fill the line. Raises Problem "models.wheelhouse",
    "models.transfer", "models.disk-space".
    """
    ordered = sorted(missing.items(), key=lambda one: -one[1])
    return sum(_one(layout, name, size, url, limits) for name, size in ordered)


def _one(layout: Layout, name: str, size: int, url: str, limits: Limits) -> int:
    beside = layout.file(name) + ".new"  # what is there of it, a run that was cut off left
    try:
        taken = take("/".join((url.rstrip("/"), name, NAME)), beside, size, name, _TRIES, layout.root, limits)
    except Unwritable as error:
        raise _unwritable(layout, error.cause) from None
    if taken.there:
        place.keep(layout, name, beside)
        return taken.moved
    why = taken.why or "another file than the locked one"
    raise Problem(
        "models.wheelhouse",
        "a file of a model cannot be fetched from the site's store: {}".format(why),
        server(url),
        "the file with SHA-256 {}, from a store that this host reaches".format(name),
        "Open the port, set whisperx_wheelhouse_address, or set whisperx_wheelhouse_mode to connection.",
    )


def _unwritable(layout: Layout, error: OSError) -> Problem:
    full = error.errno in _FULL
    return Problem(
        "models.disk-space" if full else "models.not-writable",
        "a file of a model cannot be written: {}".format(error.strerror or error),
        layout.root,
        "room for the models" if full else "a directory to write in",
        "Free some space, or set whisperx_models_dir to another file system.",
    )
