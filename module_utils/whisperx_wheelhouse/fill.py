"""Fill the wheelhouse from locks: what they name and it lacks, each file once however many locks name it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..whisperx_common.lockfile import LockedPackage, parse
from ..whisperx_lock.uv import Uv
from .addresses import Address, find
from .fetch import Fetcher
from .house import House, indexed
from .progress import Progress

__all__ = ["Filling", "fill"]


@dataclass(frozen=True)
class Filling:
    """What was lacking before: SHA-256 -> package."""

    lacking: Mapping[str, LockedPackage]

    @property
    def bytes(self) -> int:
        """The known sizes of what was lacking, in bytes."""
        return sum(package.size or 0 for package in self.lacking.values())


def fill(house: House, texts: Mapping[str, str], uv: Uv, progress: Progress, check: bool) -> Filling:
    """Download what the locks (class -> text) take from an index and the house lacks; ``check`` only tells.

    With nothing lacking no program is started and no network used. Raises Problem.
    """
    filling = Filling(house.lacking(indexed(texts)))
    if check or not filling.lacking:
        house.remember()
        return filling
    house.check_room(filling.bytes)
    with house.held():
        left = house.lacking(filling.lacking)  # another run may have been filling until now
        addresses: list[Address] = []
        for name in sorted(texts):
            lock = parse(texts[name])
            mine = [package for package in lock.packages if package.sha256 in left]
            addresses += find(lock, mine, uv) if mine else ()
            left = {key: value for key, value in left.items() if key not in {one.sha256 for one in mine}}
        for address in addresses:
            house.discard(address.sha256, address.file)  # there, it is another file than the locked one
        Fetcher(house, uv.sources, progress).fetch(addresses)
    house.remember()
    return filling
