"""The catalogue for each list of wheels that hosts of one run name: measured once, whatever the hosts.

Reads wheels, the cache and a bundle; the decision itself reads nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..whisperx_catalogue.catalogue import Catalogue
from ..whisperx_catalogue.site import with_wheels
from ..whisperx_common.cache_dir import cache_dir_of
from ..whisperx_measure.packages import FILE, load_packages
from ..whisperx_measure.site import gather
from ..whisperx_problem import Problem

__all__ = ["BUNDLED", "Shelf"]

# Below a bundle's root: the rows of the wheels in it that a site built.
BUNDLED = "catalogue/wheels.json"


class Shelf:
    """``rows``: all wheels that were given; ``lost``: SHA-256 -> why no host gets it; ``others``: names of
    wheels of packages that the catalogue does not have.

    Raises Problem "wheels.…" for wheels that are refused, "bundle.wheels" for rows of a bundle.
    """

    def __init__(self, catalogue: Catalogue, options: Mapping[str, Any]) -> None:
        self._catalogue = catalogue
        self._rows = Path(str(options["catalogue"])) / FILE
        self._cache = cache_dir_of(options.get("cache_dir"))
        self._bundled = _bundled(options.get("bundle"))
        self._known: dict[tuple[str, ...], Catalogue] = {}
        self._found: dict[str, Mapping[str, Any]] = {}
        self.lost: dict[str, str] = {}
        self.others: list[str] = []

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """Every wheel, each once."""
        return list(self._found.values())

    def catalogue(self, paths: tuple[str, ...]) -> Catalogue:
        """Return what is known to hosts that name these wheels."""
        if paths not in self._known:
            rows = self._bundled
            if paths:
                given = gather(paths, {row.name: row for row in load_packages(self._rows)}, self._cache)
                rows = given.rows
                self.others += [name for name in given.others if name not in self.others]
            self._known[paths], lost = with_wheels(self._catalogue, rows)
            self.lost.update((entry.sha256, entry.sentence) for entry in lost)
            self._found.update((str(row["sha256"]), row) for row in rows)
        return self._known[paths]


def _bundled(bundle: Any) -> tuple[Mapping[str, Any], ...]:
    """Return the rows of a bundle; their digests are compared with the bundle's before anything is used."""
    path = Path(str(bundle)).expanduser() / BUNDLED if bundle else None
    if path is None or not path.is_file():
        return ()
    try:
        rows = json.loads(path.read_text("utf-8"))
        return tuple({**row, "path": ""} for row in rows)
    except (OSError, ValueError, TypeError, RecursionError):
        raise Problem(
            "bundle.wheels",
            "the rows of wheels in the bundle cannot be read",
            str(path),
            "a bundle that was made by playbooks/bundle.yml",
            "Make the bundle again.",
        ) from None
