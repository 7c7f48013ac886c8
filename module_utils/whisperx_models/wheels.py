"""The wheels of a lock that say what names mean: in the site's store, else fetched into it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..whisperx_common.lockfile import parse
from ..whisperx_lock.uv import Uv
from ..whisperx_wheelhouse.addresses import find
from ..whisperx_wheelhouse.fetch import Fetcher
from ..whisperx_wheelhouse.house import House
from ..whisperx_wheelhouse.progress import Progress
from .tables import PACKAGES

__all__ = ["wheels"]


def wheels(lock: Mapping[str, Any], house: House, uv: Uv, progress: Progress) -> dict[str, Path]:
    """Return package to wheel, of those that know names of models. ``lock``: one of whisperx_lock's.

    They are a few megabytes, and needed only when names are locked. Raises Problem as the wheelhouse does.
    """
    parsed = parse(lock["text"])
    here = {one["sha256"]: Path(one["path"]) for one in lock.get("files") or ()}
    packages = [one for one in parsed.packages if one.name in PACKAGES]
    missing = [one for one in packages if one.sha256 not in here and not house.has(one)]
    if missing:
        house.check_room(sum(one.size or 0 for one in missing))
        with house.held():
            left = [one for one in missing if not house.has(one)]
            if left:
                Fetcher(house, uv.sources, progress).fetch(find(parsed, left, uv))
    return {one.name: here.get(one.sha256, house.path(one.sha256, one.file)) for one in packages}
