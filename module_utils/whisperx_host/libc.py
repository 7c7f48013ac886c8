"""Which C library programs of this host get, and for which machine they are built.

glibc 2.41 began to refuse libraries that ask for an executable stack; wheel tags name a least glibc. The
number that counts is that of the C library which the *target interpreters* load.
"""

from __future__ import annotations

import re
from typing import Dict, Optional, Pattern, Tuple

from ..whisperx_common.tree import Tree
from ..whisperx_problem import Problem
from . import elf
from .live import Live
from .model import Libc

__all__ = ["LIB_DIRECTORIES", "loader_family", "parse_confstr", "read_libc", "read_machine"]

# Where distributions put libraries: Debian's multiarch folders, Red Hat's lib64, everybody's lib.
LIB_DIRECTORIES = (
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/lib64",
    "/usr/lib",
    "/lib",
    "/usr/local/lib",
)
_CONFSTR = re.compile(r"^glibc (\d+)\.(\d+)")
_GLIBC_BANNER = re.compile(rb"GNU C Library [^\0\n]{0,200}? version (\d{1,3}\.\d{1,4})")
_MUSL_VERSION = re.compile(rb"\0(\d\.\d{1,2}\.\d{1,2})(?:-git-[0-9a-z-]+)?\0")
# glibc's loaders where the ABI puts them; on a system of another layout a link leads to the real one.
_GLIBC_LOADER = re.compile(r"^ld(-linux[\w-]*|64)\.so\.[12]$")
_MUSL_LOADER = re.compile(r"^ld-musl-[\w-]+\.so\.1$")


def parse_confstr(text: Optional[str]) -> Optional[str]:
    """Return "2.41" of ``glibc 2.41`` (patched builds print more behind it), None for any other text."""
    match = _CONFSTR.match(text or "")
    return f"{int(match.group(1))}.{int(match.group(2))}" if match else None


def loader_family(loader: Optional[str]) -> Optional[str]:
    """Return the C library behind a PT_INTERP: "/lib/ld-musl-x86_64.so.1" is musl, "ld-linux" glibc."""
    name = (loader or "").rsplit("/", 1)[-1]
    if name.startswith("ld-musl-"):
        return "musl"
    return "glibc" if name.startswith(("ld-linux", "ld64.so", "ld.so")) else None


def read_libc(tree: Tree, live: Live, sources: Dict[str, str]) -> Libc:
    """Find the C library.

    1. ``confstr(CS_GNU_LIBC_VERSION)``, if the Python that runs the probe uses the loader of the system
       (a Python of Nix or conda may bring its own C library, a static one none);
    2. the banner in ``libc.so.6``: ``GNU C Library (Debian GLIBC 2.41-12) stable release version 2.41.``
       A host with both libraries (gcompat, musl-tools) counts as glibc if that banner exists;
    3. the version string in musl's loader ``/lib/ld-musl-*.so.1``.
    """
    version = parse_confstr(live.confstr)
    if version and _uses_system_loader(tree, live):
        sources["libc"] = "confstr CS_GNU_LIBC_VERSION"
        return Libc("glibc", version)
    unclear = None
    for path, family, pattern in _candidates(tree):
        found = tree.search(path, pattern)
        if found:
            sources["libc"] = f"version string in {path}"
            return Libc(family, found.decode("ascii"))
        unclear = unclear or path
    if unclear:
        raise Problem(
            "host.libc",
            "no version string in the C library",
            unclear,
            "the banner of glibc or the version of musl",
            "Describe it with whisperx_host_assume: {libc: {family: ..., version: ...}}.",
        )
    sources["libc"] = "no libc.so.6 and no ld-musl-*.so.1 in the library directories"
    return Libc()


def _candidates(tree: Tree) -> Tuple[Tuple[str, str, Pattern[bytes]], ...]:
    """Return (path, family, pattern) of the C libraries that exist, glibc first."""
    found = []
    for directory in LIB_DIRECTORIES:
        path = directory + "/libc.so.6"
        # gcompat's libc.so.6 is a link to its own library and says nothing of glibc.
        if tree.exists(path) and "gcompat" not in tree.real(path):
            found.append((path, "glibc", _GLIBC_BANNER))
    for loader in _glibc_loaders(tree):
        # Where the C library is in no usual directory (/nix/store), it is beside its loader.
        path = tree.real(loader).rpartition("/")[0] + "/libc.so.6"
        if tree.exists(path) and path not in [known[0] for known in found]:
            found.append((path, "glibc", _GLIBC_BANNER))
    for name in tree.names("/lib"):
        if _MUSL_LOADER.match(name):
            found.append(("/lib/" + name, "musl", _MUSL_VERSION))
    return tuple(found)


def _glibc_loaders(tree: Tree) -> Tuple[str, ...]:
    """Return the paths of glibc's loaders, of whichever machine."""
    return tuple(
        f"{directory}/{name}"
        for directory in ("/lib64", "/lib")
        for name in tree.names(directory)
        if _GLIBC_LOADER.match(name)
    )


def _uses_system_loader(tree: Tree, live: Live) -> bool:
    """Tell whether the running Python asks for the loader at its standard path, not for one of its own."""
    if live.running is None:
        return True
    header = elf.parse(tree.head(live.running[0], elf.HEAD, private=True) or b"")
    if header is None or header.loader is None:
        return header is None
    return header.loader.startswith(("/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/"))


def read_machine(tree: Tree, live: Live, sources: Dict[str, str]) -> Optional[str]:
    """Find the machine programs are built for.

    1. ``uname``, corrected where a 32-bit Python runs on a 64-bit kernel;
    2. the ELF header of the C library, its loader, a shell or an interpreter (a tree that does not run).
    """
    if live.uname:
        sources["machine"] = "uname"
        return live.uname[1]
    paths = [path for path, _family, _pattern in _candidates(tree)] + ["/bin/sh", "/usr/bin/env"]
    paths += [*_glibc_loaders(tree), "/run/current-system/sw/bin/sh", "/usr/bin/python3", "/bin/busybox"]
    for path in paths:
        header = elf.parse(tree.head(path, elf.HEAD, private=True) or b"")
        if header and header.machine:
            sources["machine"] = f"ELF header of {path}"
            return header.machine
    sources["machine"] = "no ELF file among the C libraries, their loaders and /bin/sh"
    return None
