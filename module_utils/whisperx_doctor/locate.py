"""From what a person names (a root, a venv, an interpreter, a directory of packages) to one Environment.

Nothing is executed here. Below a root other than "/" links are followed inside it, and the environment gets
no interpreter: what is mounted cannot be run.
"""

from __future__ import annotations

import glob
import json
import os
import re
from typing import Any, Dict, List, Optional, Tuple

from ..whisperx_common.tree import Tree
from ..whisperx_problem import Problem
from .records import Environment

__all__ = ["is_packages", "locate"]

MARK = ".whisperx-fleet"
_PACKAGES = re.compile(r"(site|dist)-packages$")
_TAG = re.compile(r"\.cpython-3(\d+)[a-z]*-")


def locate(path: str, tree: Tree, python: str = "") -> Environment:
    """Return the environment that ``path`` names in ``tree``; ``python`` is the interpreter for a bare
    directory of packages, "" for the one that its compiled modules are for.

    Raises Problem "doctor.path" when there is nothing of the kind.
    """
    here = tree.outside(path)
    found = _release(path, here, tree) or _home(path, here, tree) or _file(path, here, tree)
    if found is None and is_packages(here):
        found = _owner_of_packages(path, here, tree) or Environment(
            path, "packages", _interpreter_for(here, python, tree), (here,), pythonpath=here
        )
    if found is None:
        raise Problem(
            "doctor.path",
            "there is no Python environment" if os.path.exists(here) else "there is no such path",
            path,
            "a root of this toolkit, a venv, an interpreter, or a directory of packages",
            "Correct the path, or leave it out and let the doctor look (whisperx_doctor_find: true).",
        )
    return found


def is_packages(directory: str) -> bool:
    """Tell whether Python packages lie in ``directory`` (a venv's site-packages, a pip --target)."""
    if not os.path.isdir(directory):
        return False
    return bool(_PACKAGES.search(directory) or glob.glob(glob.escape(directory) + "/*.dist-info"))


def _release(path: str, here: str, tree: Tree) -> Optional[Environment]:
    """A root of this toolkit, or one of its releases."""
    kind, place, seen = "release", here, path
    if os.path.lexists(os.path.join(here, "current")):
        kind, seen = "managed", tree.real(path + "/current")
        place = tree.outside(seen)
    elif os.path.isfile(os.path.join(here, MARK)):
        raise Problem(
            "doctor.no-release",
            "the directory is this toolkit's, but no release is active",
            path,
            "a finished run of site.yml",
            "Run site.yml.",
        )
    record, trouble = _record(os.path.join(place, "release.json"))
    if record is None and not trouble and kind == "release":
        return None
    plan = _mapping((record or {}).get("plan"))
    imports = tuple(
        item for item in _list(plan.get("imports")) if isinstance(item, dict) and item.get("module")
    )
    sonames = _mapping(plan.get("sonames"))
    launcher = os.path.join(place, "launch", "python")
    return Environment(
        path,
        kind,
        (launcher,) if tree.root == "/" else (),
        _sites(place),
        version=str(plan.get("python") or ""),
        imports=imports or None,
        device=str(plan.get("device")) if plan.get("device") in ("cpu", "cuda") else "",
        variables={str(name): str(value) for name, value in _mapping(plan.get("environment")).items()},
        sonames={name: [str(item) for item in _list(value)] for name, value in sonames.items()},
        loader_paths=tuple(str(item) for item in _list(plan.get("loader_paths"))),
        trouble=trouble,
        contained=_contained(record or {}),
    )


def _contained(record: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    """Return what only a release in a container has: its engine, its versions, the facts of its base."""
    if record.get("runtime") != "container":
        return None
    versions = _mapping(record.get("versions"))
    return {
        "engine": str(record.get("engine") or ""),
        "versions": {str(name): str(version) for name, version in versions.items()},
        "facts": _mapping(_mapping(record.get("base")).get("facts")),
    }


def _mapping(value: Any) -> Dict[str, Any]:
    """Return a record's mapping; what somebody wrote into it instead is none."""
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> List[Any]:
    return value if isinstance(value, list) else []


def _record(file: str) -> Tuple[Optional[Dict[str, Any]], str]:
    """Return release.json and what is wrong with it."""
    try:
        with open(file, encoding="utf-8") as stream:
            record = json.load(stream)
    except (FileNotFoundError, NotADirectoryError):
        return None, ""
    except (OSError, ValueError) as problem:
        return None, f"{file} cannot be read: {problem}"
    return (record, "") if isinstance(record, dict) else (None, f"{file} is no JSON object")


def _home(path: str, here: str, tree: Tree) -> Optional[Environment]:
    """A venv or a conda environment by its directory."""
    for mark, kind in (("pyvenv.cfg", "venv"), ("conda-meta", "conda")):
        if os.path.exists(os.path.join(here, mark)):
            python = os.path.join(here, "bin", "python")
            # Debian's python3 makes both names, other tools may make one.
            if not os.path.lexists(python) and os.path.lexists(python + "3"):
                python += "3"
            return Environment(path, kind, (python,) if tree.root == "/" else (), _sites(here))
    return None


def _file(path: str, here: str, tree: Tree) -> Optional[Environment]:
    """An interpreter: that of a venv, or one of the machine."""
    if not os.path.isfile(here):
        return None
    if not re.match(r"(python|pypy)", os.path.basename(path)):
        return None
    # Not the real path: a venv's interpreter is a link to the machine's, and the link makes the difference.
    prefix = os.path.dirname(os.path.dirname(path))
    venv = _home(prefix, tree.outside(prefix), tree)
    if venv is not None:
        return venv
    python = (here,) if tree.root == "/" else ()
    return Environment(path, "interpreter", python, _sites(tree.outside(prefix)))


def _owner_of_packages(path: str, here: str, tree: Tree) -> Optional[Environment]:
    """The venv or conda environment that a site-packages directory belongs to."""
    if not _PACKAGES.search(path.rstrip("/")):
        return None
    prefix = os.path.dirname(os.path.dirname(os.path.dirname(path.rstrip("/"))))
    return _release(prefix, tree.outside(prefix), tree) or _home(prefix, tree.outside(prefix), tree)


def _interpreter_for(directory: str, python: str, tree: Tree) -> Tuple[str, ...]:
    """The interpreter for a bare directory of packages: as given, or of the series they were built for."""
    if tree.root != "/":
        return ()
    if python:
        return (python,)
    minors = _series(directory)
    match = re.search(r"/python3\.(\d+)/", directory)
    if match:
        minors.insert(0, int(match.group(1)))
    for minor in minors:
        for place in ("/usr/bin", "/usr/local/bin"):
            candidate = f"{place}/python3.{minor}"
            if os.access(candidate, os.X_OK):
                return (candidate,)
    return () if minors else ("/usr/bin/python3",)


def _series(directory: str) -> List[int]:
    """The minor versions of Python that compiled modules in ``directory`` name, the commonest first."""
    counted: Dict[int, int] = {}
    for name in glob.glob(glob.escape(directory) + "/*/*.so"):
        match = _TAG.search(name)
        if match:
            counted[int(match.group(1))] = counted.get(int(match.group(1)), 0) + 1
    return sorted(counted, key=lambda minor: -counted[minor])


def _sites(prefix: str) -> Tuple[str, ...]:
    """The package directories below a prefix, each real directory once."""
    found: Dict[str, str] = {}
    for pattern in (
        "lib/python3*/site-packages",
        "lib64/python3*/site-packages",
        "lib/python3*/dist-packages",
    ):
        for place in sorted(glob.glob(os.path.join(glob.escape(prefix), pattern))):
            if os.path.isdir(place):
                found.setdefault(os.path.realpath(place), place)
    return tuple(found.values())
