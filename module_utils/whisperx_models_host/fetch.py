"""Take files of models from the site's store over HTTP: resumed where a run was cut off, and verified."""

from __future__ import annotations

import errno
import http.client
import os
import urllib.error
import urllib.request
from typing import Mapping

from ..whisperx_common.download import USUAL, Limits, TooLong, TooSlow, Unwritable, download
from ..whisperx_common.files import discard, sha256
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
    if os.path.islink(beside) or (os.path.lexists(beside) and not os.path.isfile(beside)):
        discard(beside, layout.root)
    moved, why = 0, ""
    for _ in range(_TRIES):
        request = urllib.request.Request("/".join((url.rstrip("/"), name, NAME)))
        try:
            # Within a site nothing stands between a host and its store.
            moved += download(request, beside, size, _silent, proxies={}, limits=limits)
        except urllib.error.HTTPError as error:
            why = "HTTP {}".format(error.code)
            if error.code != 416:
                continue
        except TooLong:
            why = "more than {} bytes".format(size)
            discard(beside)
            continue
        except TooSlow:
            why = "it comes too slowly"
            break
        except Unwritable as error:
            raise _unwritable(layout, error.cause) from None
        except (OSError, http.client.HTTPException) as error:
            why = str(getattr(error, "reason", None) or error) or type(error).__name__
            continue
        if os.path.exists(beside) and sha256(beside) == name:
            place.keep(layout, name, beside)
            return moved
        why = "another file than the locked one"
        discard(beside)
    raise Problem(
        "models.wheelhouse",
        "a file of a model cannot be fetched from the site's store: {}".format(why),
        _server(url),
        "the file with SHA-256 {}, from a store that this host reaches".format(name),
        "Open the port, set whisperx_wheelhouse_address, or set whisperx_wheelhouse_mode to connection.",
    )


def _silent(_size: int) -> None:
    """Tell nobody: here progress is counted in files."""


def _unwritable(layout: Layout, error: OSError) -> Problem:
    full = error.errno in _FULL
    return Problem(
        "models.disk-space" if full else "models.not-writable",
        "a file of a model cannot be written: {}".format(error.strerror or error),
        layout.root,
        "room for the models" if full else "a directory to write in",
        "Free some space, or set whisperx_models_dir to another file system.",
    )


def _server(url: str) -> str:
    """Return the server of an address, without the key that lies in its path."""
    scheme, mark, rest = url.partition("://")
    return scheme + mark + rest.partition("/")[0].rpartition("@")[2]
