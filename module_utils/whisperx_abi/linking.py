"""Rules on what objects need from one another: libraries, their symbol versions, symbols.

In: the objects of an environment and how it is used. Out: findings, and weaker notes. A library that nobody
has is an error where a module that Python imports needs it, by itself or through its libraries, and where
it is a part that the environment's build of its package does not have; what a package opens by choice
(plugins, one build per version of something) is its own affair, and a note. So is a library that only some
file of the environment has, since a module loaded earlier may lend it. A version is judged where one file
alone can be meant; a symbol is missing when no object of the environment, of its libraries or of the
interpreter exports it. Where an optional library is missing, a symbol that names no library may be its; it
is judged all the same if that library's symbols have versions, for those do name it.
"""

from __future__ import annotations

import os
import re
from fnmatch import fnmatchcase
from typing import Dict, FrozenSet, List, Mapping, Optional, Set, Tuple

from ..whisperx_common.versions import numbers
from ..whisperx_problem import Problem
from . import symbols
from .elf import Elf, read
from .loader import BY_PATH, BY_PRELOAD, BY_SYSTEM, Found, Search, libraries
from .model import Finding, Host, Use

__all__ = ["Linked", "link"]

Linked = Tuple[List[Finding], List[Finding]]

# A file that `import` takes; one whose name begins with "lib" is there to be linked or opened.
_MODULE = re.compile(r"(?!lib)[A-Za-z_]\w*(\.[^/]+)?\.so$")
_OF_LIBC = ("GLIBC_",)
_OF_PYTHON = (b"Py", b"_Py")
# A library that is one part of another by its name.
_PART = re.compile(r"(lib[A-Za-z0-9_+-]+)_[a-z0-9]+\.so$")
# Python as a library, which many interpreters are not; its symbols have no versions.
_PYTHON = re.compile(r"libpython3")
# How many names a sentence lists.
_SHOWN = 3
# Where one library leads to the next, and so on; bounds the work on files that lead in circles.
_MOST_LIBRARIES = 4096


def link(root: str, objects: Mapping[str, Elf], host: Host, use: Use) -> Linked:
    """Judge ``objects`` (path -> what was read there), all for the host's machine, below ``root``."""
    search = Search(objects, use.path, libraries(host.machine, use.system))
    findings: List[Finding] = []
    notes: List[Finding] = []
    whole: List[str] = []
    partly: List[str] = []
    defined: Dict[str, FrozenSet[str]] = {}
    imported = _imported(objects, search)
    for place, elf in sorted(objects.items()):
        name = os.path.relpath(place, root)
        needs = search.needs(place)
        missing = [soname for soname, found in needs if found is None]
        lent = [soname for soname, found in needs if found is not None and found.way == BY_PRELOAD]
        hard = [soname for soname in missing if not _is_optional(soname, use)]
        if hard:
            certain = place in imported or any(_of_another_build(soname, search) for soname in hard)
            certain = certain and use.optional is not None
            (findings if certain else notes).append(_missing(name, hard))
        elif missing:
            notes.append(_absent_option(name, missing))
        if lent:
            notes.append(_lent(name, lent))
        if not missing:
            whole.append(place)
        elif not hard and all(soname in elf.verneed or _PYTHON.match(soname) for soname in missing):
            partly.append(place)
        findings.extend(_versions(name, elf, dict(needs), search, defined))
    for item in _opened(search, host, use):
        (findings if item.rule == "abi.opens" else notes).append(item)
    if use.deep:
        findings.extend(_symbols(root, objects, whole, partly, search, use))
    return findings, notes


def _imported(objects: Mapping[str, Elf], search: Search) -> Set[str]:
    """The modules that Python imports by their name, programs, and the libraries their paths lead to."""
    waiting = [
        place for place, elf in objects.items() if elf.interp or _MODULE.match(os.path.basename(place))
    ]
    found: Set[str] = set()
    while waiting:
        place = waiting.pop()
        if place in found:
            continue
        found.add(place)
        for _name, item in search.needs(place):
            if item is not None and item.way == BY_PATH:
                target = item.path if item.path in objects else os.path.realpath(item.path)
                if target in objects:
                    waiting.append(target)
    return found


def _is_optional(soname: str, use: Use) -> bool:
    return any(fnmatchcase(soname, pattern) for pattern in use.optional or ())


def _of_another_build(soname: str, search: Search) -> bool:
    """Whether the environment has the library that a missing one belongs to, so in a build without that part.

    libtorch.so without libtorch_cuda.so: what needs the latter was made for the CUDA build of torch.
    """
    base = _PART.match(soname)
    return base is not None and bool(search.providers(base.group(1) + ".so"))


def _listed(names: List[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (" and {} more".format(more) if more > 0 else "")


def _missing(name: str, sonames: List[str]) -> Finding:
    return Finding(
        "abi.missing",
        name,
        "needs {}, which neither the environment nor this host has".format(_listed(sonames)),
        "every library it was linked with",
        "Install the package that contains the library; if it was here before, install its package again.",
    )


def _absent_option(name: str, sonames: List[str]) -> Finding:
    return Finding(
        "abi.optional",
        name,
        "cannot be loaded without {}".format(_listed(sonames)),
        "the library, where that feature is used",
        "Nothing, unless you need the feature: then install the package that contains the library.",
    )


def _lent(name: str, sonames: List[str]) -> Finding:
    return Finding(
        "abi.preload",
        name,
        "finds {} only once another module has loaded it".format(_listed(sonames)),
        "a path to it of its own",
        "Nothing, if its package imports that module first.",
    )


def _versions(
    name: str,
    elf: Elf,
    needs: Mapping[str, Optional[Found]],
    search: Search,
    defined: Dict[str, FrozenSet[str]],
) -> List[Finding]:
    """Symbol versions that the library found does not define; glibc's own are judged by their number."""
    findings: List[Finding] = []
    for soname, wanted in elf.verneed.items():
        names = [version for version in wanted if not version.startswith(_OF_LIBC)]
        found = needs.get(soname)
        if not names or found is None or found.way == BY_PRELOAD or search.providers(soname)[1:]:
            continue
        # The system's copy is not asked for what a copy in the environment may answer.
        if found.way == BY_SYSTEM and search.providers(soname):
            continue
        if found.path not in defined:
            try:
                defined[found.path] = symbols.versions(found.path)
            except Problem:
                defined[found.path] = frozenset()
        has = defined[found.path]
        # Without any definition the loader only warns.
        lacking = sorted((item for item in names if has and item not in has), key=_version_key)
        if lacking:
            findings.append(
                Finding(
                    "abi.version",
                    name,
                    "needs {} of {}; {} does not have it".format(lacking[-1], soname, found.path),
                    "a {} that defines {}".format(soname, lacking[-1]),
                    "Take an older release of its package, or a host with a newer {}.".format(soname),
                )
            )
    return findings


def _version_key(name: str) -> Tuple[int, ...]:
    return numbers(name.rpartition("_")[2])


def _opened(search: Search, host: Host, use: Use) -> List[Finding]:
    """Libraries opened by name: on the path, the system's, lent, or nobody's."""
    findings: List[Finding] = []
    for soname in use.opens:
        found = search.opened(soname, host.machine)
        if found is None:
            findings.append(
                Finding(
                    "abi.opens",
                    soname,
                    "is opened at run time, and neither the environment nor this host has it",
                    "a package that contains {}".format(soname),
                    "Resolve again (whisperx_plan_state: upgrade): the plan names its package.",
                )
            )
        elif found.way == BY_PRELOAD:
            findings.append(_lent(soname, [soname]))
    return findings


def _symbols(
    root: str, objects: Mapping[str, Elf], whole: List[str], partly: List[str], search: Search, use: Use
) -> List[Finding]:
    """Symbols that nobody exports: all of the objects ``whole``, whose libraries are all found, and of those
    ``partly`` found the ones that name no library.
    """
    wanted: Dict[str, FrozenSet[bytes]] = {}
    lacking: Set[bytes] = set()
    exported: Set[bytes] = set()
    hashes: Set[int] = set()
    judged, incomplete = {*whole, *partly}, set(partly)
    others = _others(objects, search, use)
    for place in [*objects, *others]:
        try:
            found = symbols.brief(place, place in incomplete)
        except Problem:
            continue
        exported |= found.exported
        hashes |= found.hashes
        if place in judged:
            wanted[place] = found.wanted - found.bound
            lacking |= wanted[place]
    lacking = {
        name for name in lacking - exported if not hashes & {(value := symbols.hashed(name)), value ^ 1}
    }
    # One that is gone, or a script that starts another, tells nothing of what it would export.
    if not use.interpreter or os.path.realpath(use.interpreter) not in others:
        lacking = {name for name in lacking if not name.startswith(_OF_PYTHON)}
    findings: List[Finding] = []
    for place in sorted(wanted):
        names = sorted(wanted[place] & lacking)
        if place in incomplete:
            names = [name for name in names if not name.startswith(_OF_PYTHON)]
        if names:
            findings.append(_undefined(os.path.relpath(place, root), names))
    return findings


def _undefined(name: str, names: List[bytes]) -> Finding:
    shown = [item.decode("utf-8", "backslashreplace") for item in names]
    return Finding(
        "abi.symbol",
        name,
        "uses {}, which nothing here exports".format(_listed(shown)),
        "every symbol it was linked with",
        "Install the versions of its package and of those it builds on that belong together; a lock does.",
    )


def _others(objects: Mapping[str, Elf], search: Search, use: Use) -> List[str]:
    """Files elsewhere that lend it symbols: system libraries, the interpreter, and what these need."""
    found: List[str] = []
    seen: Set[str] = {os.path.realpath(place) for place in objects}
    waiting = [item.path for place in objects for _name, item in search.needs(place) if item is not None]
    if use.interpreter:
        waiting.append(use.interpreter)
    while waiting and len(found) < _MOST_LIBRARIES:
        place = os.path.realpath(waiting.pop())
        if place in seen:
            continue
        seen.add(place)
        try:
            elf = read(place)
        except Problem:
            continue
        if elf is None:
            continue
        found.append(place)
        if elf.interp:
            waiting.append(os.path.join(use.system, elf.interp.lstrip("/")))
        here = Search({place: elf}, use.path, search.host)
        waiting.extend(item.path for _name, item in here.needs(place) if item is not None)
    return found
