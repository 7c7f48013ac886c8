"""What was installed into a release by hand: it is named before another release takes its place."""

from __future__ import annotations

import os
from typing import List, Mapping

from ..whisperx_common.files import names_in, read_text
from ..whisperx_common.names import normalise
from ..whisperx_common.wording import named
from ..whisperx_release.model import Release
from . import integrity

__all__ = ["by_whom", "lost"]

_SHOWN = 10


def lost(release: Release, new: Mapping[str, str]) -> List[str]:
    """Return a sentence on the packages of ``release`` that somebody installed and ``new`` does not have.

    ``new`` is name -> version of the release that replaces it. [] when nothing is lost.
    """
    known = integrity.noted(release)
    if known is None:
        return []
    noted = known["packages"]
    found = integrity.packages(release.site_packages)
    added = {
        name: version
        for name, version in sorted(found.items())
        if noted.get(name) != version and new.get(name) != version
    }
    if not added:
        return []
    shown = list(added.items())[:_SHOWN]
    names = ["{} {}{}".format(name, version, by_whom(release, name, version)) for name, version in shown]
    keep = ", ".join('{}: "=={}"'.format(name, version) for name, version in shown)
    sentence = (
        "additions by hand to release {} are not in the release that replaces it: {}. To keep them, "
        "add them to whisperx_plan_extras: {{{}}}"
    )
    return [sentence.format(release.name, named(names + list(added)[_SHOWN:], _SHOWN), keep)]


def by_whom(release: Release, name: str, version: str) -> str:
    """Return " by pip" where a package says what installed it, else " by hand"; "" without such a package."""
    for directory in names_in(release.site_packages):
        stem = directory[: -len(".dist-info")] if directory.endswith(".dist-info") else ""
        if stem and normalise(stem.rpartition("-")[0]) == name and stem.endswith("-" + version):
            try:
                text = read_text(os.path.join(release.site_packages, directory, "INSTALLER"))
            except UnicodeDecodeError:
                text = None
            words = (text or "").split()
            return " by " + words[0][:40] if words else " by hand"
    return ""
