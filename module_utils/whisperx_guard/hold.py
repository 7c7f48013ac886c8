"""Packages on hold: kept at their version by the package manager itself, whatever the guard says."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import Dict, List, Mapping, Sequence, Tuple

from ..whisperx_problem import Problem
from .dpkg import ARCHITECTURES, STATUS, selections
from .model import Row, row_of

__all__ = ["STATUS", "Holds", "apply", "decide"]


@dataclass(frozen=True)
class Holds:
    """``after`` are our holds by kind, once dpkg was told ``words`` ("name:arch" -> "hold" or "install")."""

    after: Mapping[str, Sequence[str]]
    words: Mapping[str, str]
    actions: Tuple[str, ...]


def decide(
    known: Sequence[Row], kinds: Sequence[str], ours: Mapping[str, Sequence[str]], status: str
) -> Holds:
    """Compare what is on hold with what shall be.

    ``ours`` are the holds that an earlier run made: only those are ever released, an administrator's own
    stay.
    """
    if not os.path.isfile(status):
        return Holds({}, {}, ())
    found = selections(status)
    machine = os.uname().machine
    own = (ARCHITECTURES.get(machine, machine), "all")
    after: Dict[str, List[str]] = {}
    for package in sorted(found):
        name, _separator, arch = package.partition(":")
        row = row_of(name, known) if arch in own else None
        if row is None or row.kind not in kinds:
            continue
        if found[package] != "hold" or package in ours.get(row.kind, ()):
            after.setdefault(row.kind, []).append(package)
    kept = {package for names in after.values() for package in names}
    freed = sorted({package for names in ours.values() for package in names} - kept)
    words = {package: "hold" for package in kept if found[package] != "hold"}
    words.update({package: "install" for package in freed if found.get(package) == "hold"})
    actions = ["Put {} on hold".format(name) for name in sorted(words) if words[name] == "hold"]
    actions += ["Released {}".format(name) for name in sorted(words) if words[name] == "install"]
    return Holds(after, words, tuple(actions))


def apply(holds: Holds, word: str) -> None:
    """Tell dpkg the words that are ``word``. Raises Problem "guard.hold" with its answer."""
    names = sorted(name for name, wanted in holds.words.items() if wanted == word)
    if not names:
        return
    text = "".join("{} {}\n".format(name, word) for name in names)
    done = subprocess.run(  # no AnsibleModule here  # pylint: disable=ansible-bad-function
        ["dpkg", "--set-selections"],
        input=text.encode("ascii"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        raise Problem(
            "guard.hold",
            "dpkg printed: {}".format(done.stdout.decode("utf-8", "replace").strip()),
            ", ".join(names),
            "dpkg to accept the selections",
            "Correct what it names, then run again.",
        )
