"""The ABI gate: does every shared object below a directory fit this host's loader?

In: a directory (a staged release, any virtual environment) and what the host is: its glibc, its machine, from
which glibc on executable stacks are refused, and whether they are allowed all the same. Out: how many objects
were read, and one finding per object and rule. Nothing is executed or written.

Why these rules: glibc's elf/dl-load.c refuses an object that asks for an executable stack once the process
runs (its NEWS tell from when), elf/dl-version.c refuses a missing symbol version, and the loader skips or
refuses another machine's objects.
"""

from __future__ import annotations

import glob
import os
import re
from typing import Dict, Iterator, List, Optional, Set, Tuple

from ..whisperx_common.versions import numbers
from ..whisperx_problem import Problem
from .collisions import collisions
from .elf import Elf, read
from .header import MAGIC, malformed
from .linking import link
from .model import Audit, Finding, Host, Use

__all__ = ["Audit", "Finding", "Host", "Use", "audit", "judge", "objects"]

_SHARED = re.compile(r"\.so(\.[0-9][^/]*)?$")
_IMPORTABLE = re.compile(r"\.(abi3|cpython-[^.]*)\.so$")
# The libraries that glibc itself consists of; bundling tools add a dash and a digest to the name.
_OF_GLIBC = re.compile(
    r"(ld-linux[^/]*|lib(anl|BrokenLocale|c|c_malloc_debug|crypt|dl|m|mvec|nsl|nss_[a-z]+|pthread|resolv|rt|thread_db"
    r"|util))(-[0-9a-f.-]+)?\.(so|[0-9.]+\.so)"
)
_DEEPEST = 64
_SAME_MACHINE = {"i386": "i686", "i586": "i686", "armv6l": "arm", "armv7l": "arm", "armv8l": "arm"}


def audit(
    root: str,
    glibc: Optional[str],
    machine: str,
    execstack_allowed: bool,
    execstack_refused_from: str,
    use: Optional[Use] = None,
) -> Audit:
    """Audit everything below ``root``.

    ``machine`` as in `uname -m`, "" where it is not known: then no object is judged to be for another one,
    and the rest is asked for the machine that most objects are for. ``execstack_allowed`` tells that the
    environment sets the tunable that makes glibc accept executable stacks; ``execstack_refused_from`` is the
    first glibc that refuses them (a fact of the catalogue). Without ``use`` only the rules on single objects
    are asked; with it those on libraries, symbol versions and files that two packages claim as well, and with
    ``use.deep`` those on symbols. Raises Problem("abi.unreadable") when ``root`` itself cannot be listed.
    """
    root = os.path.abspath(root)
    refuses = glibc is not None and numbers(glibc) >= numbers(execstack_refused_from)
    found, findings = _read_all(root)
    known = _SAME_MACHINE.get(machine, machine) or _commonest([elf.machine for _path, elf in found])
    host = Host(glibc, known, refuses and not execstack_allowed)
    strangers = _tolerated_strangers(
        [(os.path.relpath(path, root), elf) for path, elf in found], host.machine
    )
    notes: List[Finding] = []
    mine: Dict[str, Elf] = {}
    for path, elf in found:
        name = os.path.relpath(path, root)
        if name not in strangers:
            findings.extend(item for item in judge(name, elf, host) if machine or item.rule != "abi.machine")
            if elf.machine == host.machine and elf.type in ("dyn", "exec"):
                mine[path] = elf
    if use is not None:
        for told in (link(root, mine, host, use), _claims(root)):
            findings.extend(told[0])
            notes.extend(told[1])
    return Audit(len(found), _in_order(findings), _in_order(notes))


def _commonest(machines: List[str]) -> str:
    """Return the machine that most objects are for, "" where there is none."""
    return max(sorted(set(machines)), key=machines.count, default="")


def _in_order(findings: List[Finding]) -> Tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda item: (item.file, item.rule)))


def _read_all(root: str) -> Tuple[List[Tuple[str, Elf]], List[Finding]]:
    """The objects below ``root``, and findings on files that are none although their name says so."""
    found: List[Tuple[str, Elf]] = []
    findings: List[Finding] = []
    for path in objects(root):
        name = os.path.relpath(path, root)
        try:
            elf = read(path)
            if elf is None and _SHARED.search(name) and not _is_linker_script(path):
                raise malformed(name, "not an ELF file, despite its name")
        except Problem as problem:
            findings.append(Finding(problem.rule, name, problem.found, problem.wanted, problem.remedy))
            continue
        if elf is not None:
            found.append((path, elf))
    return found, findings


def _claims(root: str) -> Tuple[List[Finding], List[Finding]]:
    """Files that two distributions claim, in ``root`` if it is a site-packages, else in those below."""
    places = [root] if os.path.basename(root) == "site-packages" else []
    places += glob.glob(os.path.join(glob.escape(root), "lib", "python*", "site-packages"))
    findings: List[Finding] = []
    notes: List[Finding] = []
    for place in sorted(places):
        told = collisions(root, place)
        findings.extend(told[0])
        notes.extend(told[1])
    return findings, notes


def judge(name: str, elf: Elf, host: Host) -> List[Finding]:
    """What keeps one object from being loaded on ``host``; ``name`` is how findings call it."""
    if elf.type not in ("dyn", "exec"):
        return []
    if elf.machine != host.machine:
        return [
            Finding(
                "abi.machine",
                name,
                f"built for {elf.machine} ({elf.bits} bit)",
                f"an object for {host.machine}",
                f"Install the wheel for {host.machine}; this one is from a lock for another machine.",
            )
        ]
    findings: List[Finding] = []
    if host.execstack_refused and elf.execstack and elf.interp is None:
        header = "asks for" if elf.stack_header else "does not decline (no PT_GNU_STACK header), so gets,"
        findings.append(
            Finding(
                "abi.execstack",
                name,
                f"{header} an executable stack",
                f"no executable stack: glibc {host.glibc} refuses to load such an object",
                "Take a newer release of its package, let the toolkit repair the wheel, or allow it for this "
                "environment with the tunable.",
            )
        )
    if host.glibc is not None and elf.glibc is not None and numbers(elf.glibc) > numbers(host.glibc):
        findings.append(
            Finding(
                "abi.glibc",
                name,
                f"needs symbols of glibc {elf.glibc}",
                f"no symbol newer than glibc {host.glibc}, which this host has",
                "Take an older release or a wheel with a lower manylinux tag, or run it in a container.",
            )
        )
    if host.glibc is not None and elf.private and not _is_part_of_glibc(elf):
        findings.append(
            Finding(
                "abi.private",
                name,
                "uses symbols of GLIBC_PRIVATE",
                "only the public symbols of glibc; the private ones change with every release",
                "Take another build of its package: this one works with one glibc only.",
            )
        )
    return findings


def objects(root: str) -> Iterator[str]:
    """Paths below ``root`` that may be ELF: `*.so`, `*.so.N`, and every regular file of a directory "bin".

    Linked directories are not entered (a venv's lib64 would be read twice). A link to a library counts where
    it leads out of the tree, as in environments installed with links into a cache.
    """
    inside = os.path.realpath(root) + os.sep
    seen: Set[str] = set()
    waiting: List[Tuple[str, int]] = [(root, 0)]
    while waiting:
        directory, depth = waiting.pop()
        programs = os.path.basename(directory) == "bin"
        try:
            entries = os.scandir(directory)
        except OSError as error:
            if directory == root:
                raise _unlistable(root, error) from error
            continue
        with entries:
            for entry in entries:
                name = entry.name
                if entry.is_dir(follow_symlinks=False):
                    if name != "__pycache__" and depth < _DEEPEST:
                        waiting.append((entry.path, depth + 1))
                elif ".so" in name and _SHARED.search(name):
                    if entry.is_symlink():
                        target = os.path.realpath(entry.path)
                        if target.startswith(inside) or target in seen or not os.path.isfile(target):
                            continue
                        seen.add(target)
                    elif not entry.is_file(follow_symlinks=False):
                        continue
                    yield entry.path
                elif programs and entry.is_file(follow_symlinks=False):
                    yield entry.path


def _unlistable(root: str, error: OSError) -> Problem:
    return Problem(
        "abi.unreadable",
        f"cannot list: {error.strerror or error}",
        root,
        "a directory that can be read",
        "Check the path, and run the audit as a user that may read it.",
    )


def _is_linker_script(path: str) -> bool:
    """Development packages ship text for the linker under a library's name; the loader never sees it."""
    try:
        with open(path, "rb") as stream:
            head = stream.read(256)
    except OSError:
        return False
    return bool(head) and head[:4] != MAGIC and re.match(rb"[\t\n\r\x20-\x7e]+\Z", head) is not None


def _is_part_of_glibc(elf: Elf) -> bool:
    """A bundled copy of one of glibc's own libraries may use what is private to glibc."""
    return elf.soname is not None and _OF_GLIBC.match(elf.soname) is not None


def _tolerated_strangers(found: List[Tuple[str, Elf]], machine: str) -> Set[str]:
    """Objects for other machines that a package brings beside its own for this one, to choose at run time.

    Debuggers and tracers do that. Not tolerated: an extension module that this Python would import, and a
    package that has nothing for this machine.
    """
    at_home: Dict[str, bool] = {}
    for name, elf in found:
        package = _package(name)
        at_home[package] = at_home.get(package, False) or elf.machine == machine
    return {
        name
        for name, elf in found
        if elf.machine != machine and at_home[_package(name)] and not _would_import(name, machine)
    }


def _package(name: str) -> str:
    """The directory below site-packages (or below the root) that a file belongs to."""
    parts = name.split(os.sep)
    if "site-packages" in parts:
        parts = parts[parts.index("site-packages") + 1 :]
    return parts[0]


def _would_import(name: str, machine: str) -> bool:
    match = _IMPORTABLE.search(name)
    if match is None:
        return False
    tag = match.group(1)
    return tag.count("-") < 2 or machine in tag
