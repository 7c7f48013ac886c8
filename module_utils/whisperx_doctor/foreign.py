"""Whose a file outside the environment is, and by what way the loader comes to it.

In: what was said and seen, the environment, the variables it was run with, the root of the system. Out: for
each library that is named and is not the environment's, one sentence. Files are only read, and the package
managers' data is asked: dpkg's lists, `rpm -qf`, pip's RECORD, conda-meta, version.json of a CUDA toolkit.

The order of the ways is the loader's: LD_PRELOAD, RPATH, LD_LIBRARY_PATH, the cache of ldconfig, the default
directories (glibc, elf/dl-load.c).
"""

from __future__ import annotations

import glob
import os
import re
from dataclasses import replace
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from ..whisperx_abi.audit import objects
from ..whisperx_abi.elf import Elf, read
from ..whisperx_abi.loader import libraries
from ..whisperx_problem import Problem
from .belongs import at, below, owner_of, text
from .owned import as_owner, owner
from .records import Asked, Environment, Evidence, Found, Patient, Symptom

__all__ = ["add", "among", "named", "of", "sentences", "way_to"]

# A path with the name of a library, as loaders and Python print it.
_LIBRARY = re.compile(r"(?<![\w./:-])(/(?!/)[^\s:'\"(),\[\]]+\.so(?:\.[0-9]+)*)(?![\w.])")
_DEFAULT = re.compile(r"^(/usr)?/lib(32|64)?(/[a-z0-9_]+-linux-gnu\w*)?$")
_MOST_FILES = 5
_MOST_CONF = 64


def of(patient: Patient, asked: Asked) -> Dict[str, str]:
    """Return path -> sentence for a patient's symptoms, read by the user whom the environment belongs to."""
    environment = patient.environment
    if not named(patient.symptoms):
        return {}
    who = owner([*environment.python[:1], *environment.sites])
    try:
        found: Dict[str, str] = as_owner(
            who, lambda: sentences(patient.symptoms, environment, asked.variables, asked.root)
        )
    except RuntimeError:
        return {}
    return found


def add(item: Found, patient: Patient, outside: Mapping[str, str]) -> Found:
    """Return a found row with the sentences on libraries that its symptoms name, after its first evidence."""
    symptoms = [patient.symptoms[number] for number in item.symptoms]
    more = [Evidence("file", text) for symptom in symptoms for text in among(symptom, outside)]
    evidence = dict.fromkeys([*item.evidence[:1], *more, *item.evidence[1:]])
    return replace(item, evidence=tuple(evidence))


def among(symptom: Symptom, outside: Mapping[str, str]) -> List[str]:
    """Return the sentences on the libraries that one symptom names."""
    return [outside[path] for path in named([symptom]) if path in outside]


def sentences(
    symptoms: Sequence[Symptom], environment: Environment, variables: Mapping[str, str], root: str = "/"
) -> Dict[str, str]:
    """Return path -> sentence for the libraries outside the environment that the symptoms name.

    ``variables`` are those the interpreter was started with; paths are those of the running system.
    """
    if environment.contained is not None:
        return {}
    own = tuple(os.path.realpath(path) + os.sep for path in (environment.path, *environment.sites))
    found: Dict[str, str] = {}
    for path in named(symptoms):
        here = at(root, path)
        if len(found) == _MOST_FILES or not os.path.isfile(here) or os.path.realpath(here).startswith(own):
            continue
        way = way_to(path, environment, variables, root)
        found[path] = f"{path} is not the environment's: {owner_of(path, root)}; {way}"
    return found


def named(symptoms: Sequence[Symptom]) -> List[str]:
    """Return the paths of libraries in what was said, in their order."""
    texts = [text for item in symptoms if item.kind != "log" for text in (item.name, item.text, item.where)]
    return list(dict.fromkeys(match for text in texts for match in _LIBRARY.findall(text)))


def way_to(path: str, environment: Environment, variables: Mapping[str, str], root: str = "/") -> str:
    """Return by what way the loader comes to a file, in words."""
    place, directory = at(root, path), os.path.dirname(path)
    settings = {**environment.variables, **variables}
    if path in re.split(r"[:\s]+", settings.get("LD_PRELOAD", "")):
        return "it came in by LD_PRELOAD"
    for way, found in (
        ("RPATH of {}", _rpath_to(path, environment)),
        ("LD_LIBRARY_PATH ({})", _listed(directory, settings.get("LD_LIBRARY_PATH", ""), root)),
        ("{}, by the cache of ldconfig", _conf_of(path, root)),
    ):
        if found:
            return "it came in by " + way.format(found)
    if _DEFAULT.match(directory):
        return "it lies in a default directory of the loader"
    if any(_same(at(root, cached), place) for cached in _cached(os.path.basename(path), root)):
        return "it came in by the cache of ldconfig"
    return "by what way it came in is not known"


def _listed(directory: str, value: str, root: str) -> str:
    """The entry of a search path that leads to a directory, "" for none."""
    for entry in value.split(":"):
        if entry.startswith("/") and _same(at(root, entry), at(root, directory)):
            return entry
    return ""


def _rpath_to(path: str, environment: Environment) -> str:
    """The object of the environment whose RPATH or RUNPATH leads to the file."""
    name = os.path.basename(path)
    for site in environment.own or environment.sites:
        try:
            for place in objects(site):
                elf = _elf(place)
                if elf is None or name not in elf.needed:
                    continue
                for entry in f"{elf.rpath or ''}:{elf.runpath or ''}".split(":"):
                    spelt = entry.replace("${ORIGIN}", "$ORIGIN").replace("$ORIGIN", os.path.dirname(place))
                    if spelt.startswith("/") and _same(spelt, os.path.dirname(path)):
                        return os.path.relpath(place, site)
        except Problem:
            continue
    return ""


def _elf(place: str) -> Optional[Elf]:
    try:
        return read(place)
    except Problem:
        return None


def _cached(name: str, root: str) -> List[str]:
    cached = libraries(os.uname().machine, root).cache.get(name)
    return [cached] if cached else []


def _conf_of(path: str, root: str) -> str:
    """The file of ld.so.conf that names the directory of a library."""
    directory = os.path.dirname(path)
    if _DEFAULT.match(directory):
        return ""
    for conf, entry in _conf_entries("/etc/ld.so.conf", root, set()):
        if _same(at(root, entry), at(root, directory)):
            return conf
    return ""


def _conf_entries(conf: str, root: str, seen: Set[str]) -> Iterator[Tuple[str, str]]:
    if conf in seen or len(seen) >= _MOST_CONF:
        return
    seen.add(conf)
    for line in (text(at(root, conf)) or "").splitlines():
        words = line.partition("#")[0].split()
        if words[:1] == ["include"]:
            for pattern in words[1:]:
                whole = os.path.join(os.path.dirname(conf), pattern)
                for found in sorted(glob.glob(at(root, whole))):
                    yield from _conf_entries(below(root, found), root, seen)
        elif words:
            yield conf, words[0]


def _same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
