"""The managed releases of a host, and which files of the system each stands on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ..whisperx_release import state
from ..whisperx_release.model import Layout, Release

__all__ = ["Managed", "managed"]

_HOPS = 16
# Two files of the standard library that distributions keep in different packages.
_LIBRARY = ("os.py", os.path.join("json", "__init__.py"))


@dataclass(frozen=True)
class Managed:
    """One complete release, reduced to what the guard asks about.

    ``interpreter`` are files outside the release without which its Python does not start.
    """

    name: str
    path: str
    site_packages: str
    in_use: bool
    device: str
    needs: Mapping[str, Any]
    driver: str
    interpreter: Tuple[str, ...]


def managed(roots: Sequence[str]) -> List[Managed]:
    """Return the releases below ``roots``, those in use first. A root that is not there has none."""
    found = []
    for root in roots:
        seen = state.read(Layout(root, "", ""))
        for release in seen.releases.values():
            # One that was emptied has nothing left to lose, and must not keep the others from being judged.
            if release.complete and os.path.isdir(release.site_packages):
                found.append(_managed(release, release.name == seen.current))
    return sorted(found, key=lambda item: (not item.in_use, item.path))


def _managed(release: Release, in_use: bool) -> Managed:
    needs: Dict[str, Any] = dict(release.value("needs", {}) or {})
    proved_on = release.value("host", {}) or {}
    return Managed(
        release.name,
        release.path,
        release.site_packages,
        in_use,
        str(release.value("device", "cpu")),
        needs,
        str(proved_on.get("driver") or ""),
        tuple(_interpreter(release)),
    )


def _interpreter(release: Release) -> List[str]:
    """Return every link and file from the release's Python to the real one, and two of its library."""
    inside = os.path.realpath(release.path) + os.sep
    path, found = os.path.join(release.path, "bin", "python"), []
    for _turn in range(_HOPS):
        if not os.path.islink(path):
            break
        path = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path)))
        if not path.startswith((inside, release.path + os.sep)):
            found.append(path)
    prefix = os.path.dirname(os.path.dirname(path))
    version = "python" + str(release.value("python"))
    return found + [os.path.join(prefix, "lib", version, name) for name in _LIBRARY]
