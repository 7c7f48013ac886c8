"""Target: take one file from the site's store over HTTP: resumed where a run was cut off, and verified."""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
from typing import NamedTuple, Optional, Tuple

from .download import Limits, TooLong, TooSlow, download
from .files import discard, sha256

__all__ = ["Taken", "server", "take"]


class Taken(NamedTuple):
    """The result: the bytes that ``moved``, whether the file is ``there``, and ``why`` it is not.

    ``other``: whether the store has another file under that name; ``why`` is "" then if its digest shows it.
    """

    moved: int
    there: bool
    other: bool = False
    why: str = ""


def take(
    url: str, beside: str, size: Optional[int], digest: str, tries: int, below: str, limits: Limits
) -> Taken:
    """Put the file at ``url`` at ``beside``, a path below ``below``; what is there of it is completed.

    ``size`` in bytes, None if unknown; ``digest`` its SHA-256. Raises Unwritable.
    """
    if os.path.islink(beside) or (os.path.lexists(beside) and not os.path.isfile(beside)):
        discard(beside, below)
    moved, other, why = 0, False, ""
    for _turn in range(tries):
        other = False
        try:
            # Within a site nothing stands between a host and its store.
            moved += download(urllib.request.Request(url), beside, size, _silent, proxies={}, limits=limits)
        except urllib.error.HTTPError as error:
            why = "HTTP {}".format(error.code)
            if error.code != 416:
                continue
        except TooLong:
            other, why = True, "more than {} bytes".format(size)
            discard(beside)
            continue
        except TooSlow:
            why = "it comes too slowly"
            break
        except (OSError, http.client.HTTPException) as error:
            why = str(getattr(error, "reason", None) or error) or type(error).__name__
            continue
        if os.path.exists(beside) and sha256(beside) == digest:
            return Taken(moved, True)
        other, why = True, ""
        discard(beside)
    return Taken(moved, False, other, why)


def server(url: str) -> str:
    """Return the server of an address, without the key that lies in its path."""
    parts: Tuple[str, str, str] = url.partition("://")
    return parts[0] + parts[1] + parts[2].partition("/")[0].rpartition("@")[2]


def _silent(_size: int) -> None:
    """Tell nobody: here progress is counted in files."""
