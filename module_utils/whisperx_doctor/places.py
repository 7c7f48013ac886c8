"""The usual places of Python environments on a host, looked through for those that carry what we know.

Bounded: some directories deep, some thousand directories wide. Nothing is executed.
"""

from __future__ import annotations

import os
import re
from typing import Dict, Iterator, List, Sequence, Tuple

from ..whisperx_common.tree import Tree
from ..whisperx_problem import Problem
from .installed import carries
from .locate import MARK, locate
from .records import Environment

__all__ = ["find"]

# Directories below which environments lie, and how deep to look.
_ROOTS = (("/opt", 4), ("/srv", 4), ("/usr/local", 3), ("/var/lib", 3), ("/var/www", 4), ("/root", 4))
_HOMES = ("/home", "/Users", "/export/home")
_HOME_DEPTH = 5
# Hidden directories that hold environments; others are caches and settings.
_HIDDEN = re.compile(r"\.(venv|virtualenvs|local|pyenv|conda|env|pixi|poetry|cache)$")
# Where there is nothing to find, and much to read.
_SKIPPED = re.compile(
    r"(node_modules|__pycache__|site-packages|dist-packages|containers|docker|archive-v0|wheels-v\d+|pip|huggingface)$"
)
_MOST_DIRECTORIES = 20000


def find(tree: Tree, pythons: Sequence[str], names: Sequence[str]) -> Tuple[List[Environment], bool]:
    """Return the environments in ``tree`` that carry one of the packages ``names``, and whether all usual
    places were looked through; ``pythons`` are the interpreters of the machine (paths in the tree).
    """
    found: Dict[str, Environment] = {}
    whole = True
    for path, more in _candidates(tree, pythons):
        whole = whole and more
        try:
            environment = locate(path, tree)
        except (Problem, OSError):
            continue
        places = environment.sites
        key = os.path.realpath(places[0]) if places else path
        if key not in found and any(carries(place, names) for place in places):
            found[key] = environment
    return list(found.values()), whole


def _candidates(tree: Tree, pythons: Sequence[str]) -> Iterator[Tuple[str, bool]]:
    """Yield paths that may be environments; the mark is False once the search was cut short."""
    left = [_MOST_DIRECTORIES]
    homes = [f"{place}/{name}" for place in _HOMES for name in tree.names(place)]
    for top, depth in [*_ROOTS, *((home, _HOME_DEPTH) for home in homes)]:
        for path in _walk(tree, top, depth, left):
            yield path, left[0] > 0
    for python in pythons:
        yield python, left[0] > 0
    # What `pip install` put outside any environment, for all users or for one.
    for prefix in ["/usr/local/lib", *(f"{home}/.local/lib" for home in ["/root", *homes])]:
        for name in tree.names(prefix):
            for kind in ("site-packages", "dist-packages"):
                if re.match(r"python3\.\d+$", name):
                    yield f"{prefix}/{name}/{kind}", left[0] > 0


def _walk(tree: Tree, top: str, depth: int, left: List[int]) -> Iterator[str]:
    """Yield the directories from ``top`` on that are environments, not looking into them."""
    waiting = [(top, depth)]
    while waiting and left[0] > 0:
        path, deeper = waiting.pop()
        left[0] -= 1
        here = tree.outside(path)
        try:
            with os.scandir(here) as entries:
                kinds = {entry.name: entry.is_dir(follow_symlinks=False) for entry in entries}
        except OSError:
            continue
        if {"pyvenv.cfg", "conda-meta", MARK, "release.json"} & set(kinds):
            yield path
            # A conda installation has its environments inside.
            if "conda-meta" in kinds and kinds.get("envs"):
                waiting.append((f"{path}/envs", 1))
            continue
        if deeper:
            waiting += [
                (f"{path}/{name}", deeper - 1) for name in sorted(kinds) if kinds[name] and _enter(name)
            ]


def _enter(name: str) -> bool:
    return not _SKIPPED.search(name) and (not name.startswith(".") or _HIDDEN.search(name) is not None)
