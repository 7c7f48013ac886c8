"""The CPython interpreters an environment may be built on, with their full versions, without running them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Dict, Iterator, List, Optional, Tuple

from ..whisperx_common.interpreters import foreign
from ..whisperx_common.tree import Tree
from ..whisperx_common.trust import Judge
from ..whisperx_common.versions import key
from . import elf
from .libc import LIB_DIRECTORIES, loader_family
from .live import Live
from .model import Python

__all__ = ["read_pythons", "version_in_path"]

_NAME = re.compile(r"^python3\.\d+$")
# .../cpython-3.12.8-linux-x86_64-gnu/bin (uv), .../versions/3.12.8/bin (pyenv)
_DIRECTORY = re.compile(r"/(?:cpython-|versions/)(3\.\d+\.\d+(?:(?:a|b|rc)\d+)?)(?=[-/])")
# What a build without the global lock has in itself, whatever its name is: the tag of its extensions.
_FREE_TAG = re.compile(rb"(cpython-3\d+t-)")
_EXECUTE = 0o001


def version_in_path(path: str) -> Optional[str]:
    """Return the full version that uv and pyenv write into their directory names, None elsewhere."""
    match = _DIRECTORY.search(path)
    return match.group(1) if match else None


def read_pythons(
    tree: Tree, live: Live, machine: Optional[str], family: Optional[str], sources: Dict[str, str]
) -> Tuple[Python, ...]:
    """Find interpreters for ``machine`` and libc ``family`` in the usual places, each listed once by its real
    path.

    The full version comes from 1. the Python that runs the probe, if it is that one; 2. the directory name of
    uv or pyenv; 3. the version string in the binary; 4. that in its libpython; 5. one child that prints it.
    One that somebody else than root and this user can change is listed as not trusted, and not run.
    Left out: RHEL 8's platform-python, free-threaded builds (by name, directory, or what they are made of),
    virtual environments, other machines' builds.
    """
    found: Dict[str, Python] = {}
    judge = Judge(top=tree.root)
    for path in _candidates(tree, live):
        real = tree.real(path)
        if real in found or foreign(real) or real.startswith("/usr/libexec/"):
            continue
        if not _NAME.match(real.rsplit("/", 1)[-1]) or not (tree.mode(real) or 0) & 0o111:
            continue
        if tree.exists(real.rsplit("/", 2)[0] + "/pyvenv.cfg"):
            continue
        header = elf.parse(tree.head(real, elf.HEAD, private=True) or b"")
        if header is None or (machine and header.machine != machine):
            continue
        if _is_free_threaded(tree, real):
            continue
        if family and header.loader and loader_family(header.loader) not in (family, None):
            continue
        weakness = _weakness(judge, real)
        # A program that others can change is not run, not even to ask for its version.
        version, source = _version(tree, replace(live, run=None) if weakness else live, real)
        if weakness and not version:
            version, source = real.rsplit("/python", 1)[1], "its name"
        if version:
            shared = _is_shared(tree, path) and _is_shared(tree, real)
            found[real] = Python(real, version, shared, _has_distutils(tree, real), not weakness, weakness)
            sources["pythons." + real] = source
    if not found:
        sources["pythons"] = (
            "no python3.N in /usr/bin, /usr/local/bin, /opt/*/bin, uv's and pyenv's directories"
        )
    return tuple(sorted(found.values(), key=lambda python: (key(python.version), python.path)))


def _weakness(judge: Judge, real: str) -> str:
    """Return who else can change an interpreter or its standard library, "" for nobody but root and us."""
    prefix, _bin, name = real.rsplit("/", 2)
    for spot in [judge.file(real), *(judge.directory(f"{prefix}/{lib}/{name}") for lib in ("lib", "lib64"))]:
        if spot is not None:
            return spot.sentence
    return ""


def _candidates(tree: Tree, live: Live) -> Iterator[str]:
    """Yield the files named python3.N in the directories of interpreters, and the Python that runs this."""
    for directory in _directories(tree, live):
        for name in tree.names(directory):
            if _NAME.match(name):
                yield directory + "/" + name
    if live.running:
        yield live.running[0]


def _directories(tree: Tree, live: Live) -> List[str]:
    """Return the directories to look into."""
    directories = ["/usr/bin", "/usr/local/bin", "/run/current-system/sw/bin"]
    directories += [f"/opt/{name}/bin" for name in tree.names("/opt")]
    # Other users' homes are not looked into: root would come to run a program that they can change.
    for home in sorted({"/root", live.home}):
        for store in (home + "/.local/share/uv/python", home + "/.pyenv/versions"):
            directories += [f"{store}/{name}/bin" for name in tree.names(store)]
    for store in ("/opt/python", "/opt/uv/python", "/opt/pyenv/versions", "/usr/local/share/uv/python"):
        directories += [f"{store}/{name}/bin" for name in tree.names(store)]
    for name in tree.names("/opt/rh"):
        directories.append(f"/opt/rh/{name}/root/usr/bin")
    return directories


def _version(tree: Tree, live: Live, path: str) -> Tuple[Optional[str], str]:
    """Return (full version, where it was found) of the interpreter at the real path ``path``."""
    if live.running and live.running[0] == path:
        return live.running[1], "sys.version_info"
    named = version_in_path(path)
    if named:
        return named, "directory name"
    series = path.rsplit("/python", 1)[1]
    pattern = re.compile(rb"\0(" + re.escape(series).encode() + rb"\.\d{1,3}(?:(?:a|b|rc)\d{1,2})?)\+?\0")
    prefix = path.rsplit("/", 2)[0]
    library = f"/libpython{series}.so.1.0"
    for where in [path] + [
        folder + library for folder in (prefix + "/lib", prefix + "/lib64", *LIB_DIRECTORIES)
    ]:
        text = tree.search(where, pattern)
        if text:
            return text.decode("ascii"), f"version string in {where}"
    if live.run:
        text_printed = live.run([path, "-I", "-S", "-c", "import platform; print(platform.python_version())"])
        if text_printed and text_printed.startswith(series + "."):
            return text_printed.strip().rstrip("+"), "asked the interpreter"
    return None, ""


def _is_free_threaded(tree: Tree, path: str) -> bool:
    """Tell whether an interpreter of a version that can lack the global lock does, by what it is made of."""
    prefix, _bin, name = path.rsplit("/", 2)
    if key(name[len("python") :]) < key("3.13"):
        return False
    if tree.search(path, _FREE_TAG):
        return True
    # Its library lies in python3.14t, and no python3.14 is beside it.
    folders = [f"{prefix}/{lib}/{name}" for lib in ("lib", "lib64")]
    return any(tree.exists(folder + "t") for folder in folders) and not any(map(tree.exists, folders))


def _has_distutils(tree: Tree, path: str) -> bool:
    """Tell whether the standard library beside ``path`` has distutils; one without ``dist`` is a stub."""
    folder, name = path.rsplit("/", 1)
    prefix = folder.rsplit("/", 1)[0]
    return any(tree.exists(f"{prefix}/{lib}/{name}/distutils/dist.py") for lib in ("lib", "lib64"))


def _is_shared(tree: Tree, path: str) -> bool:
    """Tell whether every user can execute ``path``: x for others on it and on every directory above."""
    while path not in ("", "/"):
        if not (tree.mode(path) or 0) & _EXECUTE:
            return False
        path = path.rsplit("/", 1)[0]
    return True
