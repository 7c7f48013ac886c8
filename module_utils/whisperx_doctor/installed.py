"""What is installed in directories of packages, by its metadata on disk; nothing is imported."""

from __future__ import annotations

import os
import re
from typing import Dict, Iterator, Sequence, Tuple

from ..whisperx_common.names import normalise

__all__ = ["carries", "distributions", "packages"]

_INFO = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)\.(dist-info|egg-info)$")
# Debian's egg-info names end in the Python they are for.
_DEBIAN = re.compile(r"-py3(\.\d+)?$")


def distributions(site: str) -> Iterator[Tuple[str, str, str]]:
    """Yield (name, version, path of its metadata) of what is installed in one directory."""
    try:
        names = sorted(os.listdir(site))
    except OSError:
        return
    for name in names:
        base, ending = os.path.splitext(name)
        match = _INFO.match(_DEBIAN.sub("", base) + ending)
        if match:
            yield normalise(match.group("name")), match.group("version"), os.path.join(site, name)


def packages(sites: Sequence[str]) -> Dict[str, str]:
    """Return name -> version as Python finds them: the first directory wins."""
    found: Dict[str, str] = {}
    for site in sites:
        for name, version, _path in distributions(site):
            found.setdefault(name, version)
    return found


def carries(site: str, names: Sequence[str]) -> bool:
    """Tell whether one of ``names`` is installed in ``site``."""
    return any(name in names for name, _version, _path in distributions(site))
