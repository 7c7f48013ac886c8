"""Packages on hold with dnf 4: lines in the list of its plugin versionlock."""

from __future__ import annotations

import os
from typing import Dict, List, Mapping, Optional, Sequence

from ..whisperx_common.files import read_text, write_text
from ..whisperx_problem import Problem
from .dnf_conf import settings
from .hold import Holds
from .model import Row, row_of
from .rpm import versions

__all__ = ["SETTINGS", "apply", "decide"]

# Comes with the plugin and names its list.
SETTINGS = "/etc/dnf/plugins/versionlock.conf"


def decide(
    known: Sequence[Row], kinds: Sequence[str], ours: Mapping[str, Sequence[str]], place: str
) -> Holds:
    """Compare the locks with what shall be; the answer is as for dpkg, its names are lines of the list.

    Raises Problem "guard.hold" where there is a package to lock and no such plugin.
    """
    if not kinds and not any(ours.values()):
        return Holds({}, {}, ())
    path = _list(place)
    lines = (read_text(path) or "").splitlines() if path else []
    after: Dict[str, List[str]] = {}
    mine = {line for names in ours.values() for line in names}
    for name, version in sorted(versions(os.uname().machine).items()):
        row = row_of(name, known)
        if row is None or row.kind not in kinds:
            continue
        if path is None:
            raise _no_plugin(name, place)
        foreign = [line for line in lines if line.startswith(name + "-") and line not in mine]
        if not foreign:
            after.setdefault(row.kind, []).append("{}-{}.*".format(name, version))
    kept = {line for names in after.values() for line in names}
    words = {line: "hold" for line in kept if line not in lines}
    words.update({line: "install" for line in mine - kept if line in lines})
    actions = ["Locked {}".format(line) for line in sorted(words) if words[line] == "hold"]
    actions += ["Unlocked {}".format(line) for line in sorted(words) if words[line] == "install"]
    return Holds(after, words, tuple(actions))


def apply(holds: Holds, word: str, place: str) -> None:
    """Write the list anew with the words that are ``word``; every other line stays."""
    names = sorted(name for name, wanted in holds.words.items() if wanted == word)
    path = _list(place)
    if not names or path is None:
        return
    lines = (read_text(path) or "").splitlines()
    lines = [line for line in lines if line not in names] + (names if word == "hold" else [])
    write_text(path, "".join(line + "\n" for line in lines))


def _list(place: str) -> Optional[str]:
    """Return the path of the plugin's list, None without the plugin."""
    text = read_text(place)
    if text is None:
        return None
    return settings(text).get("locklist", os.path.join(os.path.dirname(place), "versionlock.list"))


def _no_plugin(name: str, place: str) -> Problem:
    return Problem(
        "guard.hold",
        "no plugin versionlock, which holds {}".format(name),
        place,
        "dnf's plugin versionlock",
        "Run dnf install python3-dnf-plugin-versionlock, or leave whisperx_guard_hold empty.",
    )
