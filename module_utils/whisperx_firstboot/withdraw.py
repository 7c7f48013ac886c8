"""Takes the program, its unit, its verdict and the login message off a machine."""

from __future__ import annotations

import os
from typing import List

from ..whisperx_common import trust
from ..whisperx_common.files import discard, read_json
from .records import Places
from .unit import UNIT, UNITS, WANTS

__all__ = ["remove"]


def remove(places: Places, root: str, check: bool) -> List[str]:
    """Remove what a bake put on the machine for the environment below ``root``; return what was done.

    With ``check`` only say it. Another root's stays. Raises OSError, Problem "firstboot.untrusted-directory".
    """
    image = read_json(places.image)
    there = [path for path in _everything(places) if os.path.lexists(path)]
    if not there or (image is not None and image.get("root") != root):
        return []
    if image is None and not os.path.lexists(places.home):
        return []  # somebody else's /var/lib/whisperx
    trust.check({os.path.dirname(path): "" for path in there}, "firstboot.untrusted-directory")
    if not check:
        for path in there:
            discard(path)
        _drop_empty(os.path.dirname(places.verdict))
    return ["Removed the first-boot service, its verdict and the login message"]


def _everything(places: Places) -> List[str]:
    """Return every path in the order of removal: what starts the program first, what marks it last."""
    verdict = places.verdict
    return [
        places.path(WANTS + UNIT),
        places.path(UNITS + UNIT),
        places.message,
        verdict,
        os.path.join(os.path.dirname(verdict), "sentence"),
        places.home,
    ]


def _drop_empty(directory: str) -> None:
    try:
        os.rmdir(directory)
    except OSError:
        return  # not there, or with other contents, which are not ours
