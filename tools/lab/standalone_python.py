#!/usr/bin/env python3
"""Pack an interpreter of this machine as a relocatable archive in python-build-standalone's form, for tests.

    tools/lab/standalone_python.py --prefix ~/.pyenv/versions/3.13.0 MIRROR
    tools/lab/standalone_python.py --catalogue DIRECTORY MIRROR

MIRROR gets BUILD/cpython-X.Y.Z+BUILD-MACHINE-unknown-linux-gnu-install_only.tar.gz, as a mirror of the real
ones has it; the catalogue's row of it is printed, and DIRECTORY gets the project's catalogue with that row
alone. Libraries that are no part of glibc are copied, and all are found by $ORIGIN, so the tree runs wherever
it is unpacked, on a glibc as new as this machine's. Left out are tests, IDLE, Tk, pip and compiled files. An
archive that is there is kept.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

BUILD = "20260101"
_LEFT_OUT = re.compile(
    r"(test|tests|idlelib|tkinter|turtledemo|ensurepip|__pycache__|site-packages|dist-packages|config-[^/]*)$"
    r"|(_test\w*|_ctypes_test|_tkinter|_dbm|_gdbm|nis|xxlimited\w*|\w+\.pyc|libpython[^/]*\.a)(\.cpython[^/]*)?$"
)
# What a small one is also without: enough to run a command of one module.
_LARGE = re.compile(
    r"(asyncio|concurrent|curses|dbm|distutils|html|http|lib2to3|multiprocessing|pydoc_data|unittest|venv)$"
    r"|(wsgiref|xml|xmlrpc|zoneinfo)$|(cp\d|iso|mac_|koi|big5|euc|gb|hz|hp_|jo|kz|pt|ptc|shift|tis)\w*\.py$"
)
# What every host has of glibc and the compiler's runtime.
_OF_HOST = re.compile(r"(ld-linux[^/]*|libc|libm|libdl|libpthread|librt|libutil|libgcc_s|libstdc\+\+)\.so")
_CATALOGUE = Path(__file__).resolve().parents[2] / "roles" / "whisperx_plan" / "files" / "catalogue"
_EPOCH = 1767225600  # 2026-01-01: the date of every file


def interpreters() -> list[Path]:
    """Return the prefixes of interpreters here that can be packed, the newest first."""
    found = [Path(sys.base_prefix), *sorted(Path.home().glob(".pyenv/versions/3.1[0-9].*"))]
    whole = {path.resolve() for path in found if list(path.glob("bin/python3.1[0-9]"))}
    return sorted(whole, key=lambda path: [*map(int, version(path).split("."))], reverse=True)


def version(prefix: Path) -> str:
    """Return the version of the interpreter below a prefix, with its patch."""
    code = "import platform; print(platform.python_version())"
    return subprocess.run(
        [_program(prefix), "-I", "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def pack(prefix: Path, mirror: Path, build: str = BUILD, small: bool = False) -> dict[str, object]:
    """Write the archive below ``mirror`` unless it is there; return its row of the catalogue.

    ``small`` leaves out much of the library, for tests that unpack it often: give it a ``build`` of its own.
    """
    patch, machine = version(prefix), platform.machine()
    file = f"cpython-{patch}+{build}-{machine}-unknown-linux-gnu-install_only.tar.gz"
    target = mirror / build / file
    if not target.is_file():
        with tempfile.TemporaryDirectory(prefix="whisperx-python-") as name:
            tree = Path(name) / "python"
            _copy(prefix, tree, patch, small)
            _make_relocatable(tree, str(prefix / "lib"))
            _check(Path(name), tree)
            target.parent.mkdir(parents=True, exist_ok=True)
            _write(tree, target)
    with target.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {
        "version": patch,
        "build": build,
        "machine": machine,
        "libc": {"family": "glibc", "version": str(os.confstr("CS_GNU_LIBC_VERSION")).split()[1]},
        "file": file,
        "sha256": digest,
        "size": target.stat().st_size,
    }


def catalogue(rows: list[dict[str, object]], target: Path) -> Path:
    """Copy the project's catalogue to ``target``, with these interpreters for its own; return ``target``."""
    shutil.copytree(_CATALOGUE, target, dirs_exist_ok=True)
    lines = [f"  - {json.dumps({**row, 'source': 'lab', 'confidence': 'measured'})}\n" for row in rows]
    head = 'schema: 1\nbases:\n  - {base: "https://python.invalid", source: lab, confidence: measured}\n'
    text = f'---\n{head}interpreters:\n{"".join(lines)}sources: {{lab: "tools/lab/standalone_python.py"}}\n'
    (target / "interpreters.yml").write_text(text, "utf-8")
    return target


def _program(prefix: Path) -> Path:
    return sorted(path for path in prefix.glob("bin/python3.*") if re.fullmatch(r"python3\.\d+", path.name))[
        -1
    ]


def _copy(prefix: Path, tree: Path, patch: str, small: bool) -> None:
    program = _program(prefix)
    (tree / "bin").mkdir(parents=True)
    shutil.copy2(program, tree / "bin" / program.name)
    (tree / "bin" / "python3").symlink_to(program.name)
    (tree / "bin" / "python").symlink_to(program.name)

    def left_out(_folder: str, names: list[str]) -> list[str]:
        return [name for name in names if _LEFT_OUT.match(name) or (small and _LARGE.match(name))]

    library = f"lib/python{'.'.join(patch.split('.')[:2])}"
    shutil.copytree(prefix / library, tree / library, symlinks=True, ignore=left_out)
    (tree / library / "site-packages").mkdir()
    for path in sorted((prefix / "lib").glob("libpython3*.so*")):
        shutil.copy2(path, tree / "lib" / path.name, follow_symlinks=False)


def _make_relocatable(tree: Path, old: str) -> None:
    """Copy what shared objects need beside glibc, and let each of them be found from where it lies."""
    modules = sorted(tree.glob("lib/python3*/lib-dynload/*.so"))
    for path in [*modules, *tree.glob("bin/python3.*"), *tree.glob("lib/lib*.so*")]:
        if path.is_symlink():
            continue
        for library in _needed(path):
            if not (tree / "lib" / library.name).exists() and not _OF_HOST.match(library.name):
                shutil.copy2(library, tree / "lib" / library.name)
        origin = "$ORIGIN/../.." if path.parent.name == "lib-dynload" else "$ORIGIN/../lib"
        _replace(path, old, origin)
        strip = shutil.which("strip")
        if strip:
            subprocess.run([strip, "--strip-unneeded", path], check=True)


def _needed(path: Path) -> Iterator[Path]:
    """Yield the libraries that the loader of this machine finds for a shared object."""
    said = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
    for line in said.splitlines():
        _, arrow, rest = line.partition(" => ")
        if arrow and rest.startswith("/"):
            yield Path(rest.partition(" (")[0])


def _replace(path: Path, old: str, new: str) -> None:
    """Put ``new`` in the place of a run path, a text that ends with NUL, as long as it is no longer."""
    data = path.read_bytes()
    before, after = old.encode() + b"\0", new.encode() + b"\0"
    if len(after) > len(before):
        raise SystemExit(f"{path}: no room for {new} in place of {old}")
    path.write_bytes(data.replace(before, after.ljust(len(before), b"\0")))


def _check(elsewhere: Path, tree: Path) -> None:
    """Run the copy from another place: it must find its own library and all that is usually compiled."""
    moved = tree.rename(elsewhere / "moved")
    code = "import ssl, hashlib, sqlite3, lzma, bz2, ctypes, zlib, sys; print(sys.base_prefix)"
    said = subprocess.run(
        [moved / "bin" / "python3", "-I", "-c", code], capture_output=True, text=True, check=False
    )
    if said.stdout.strip() != str(moved):
        raise SystemExit(f"the copy does not run: {said.stdout}{said.stderr}")
    for folder in sorted(moved.rglob("__pycache__")):
        shutil.rmtree(folder)
    moved.rename(tree)


def _write(tree: Path, target: Path) -> None:
    """Write the archive: the same tree gives the same bytes."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        member.mtime = _EPOCH
        return member

    # Tests that run side by side may write the same archive.
    beside = target.with_name(f"{target.name}.{os.getpid()}")
    with (
        beside.open("wb") as raw,
        gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for path in [tree, *sorted(tree.rglob("*"))]:
            name = "python" if path == tree else f"python/{path.relative_to(tree)}"
            archive.add(path, name, recursive=False, filter=plain)
    beside.replace(target)


def main(arguments: list[str] | None = None) -> int:
    """Pack, and print the row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mirror", type=Path)
    parser.add_argument("--prefix", type=Path, default=None, help="of the interpreter; by default the newest")
    parser.add_argument("--build", default=BUILD)
    parser.add_argument("--catalogue", type=Path, default=None, help="write the catalogue with its row there")
    options = parser.parse_args(arguments)
    prefix = (options.prefix or interpreters()[0]).resolve()
    row = pack(prefix, options.mirror, options.build)
    if options.catalogue:
        catalogue([row], options.catalogue)
    print(json.dumps(row))
    return 0


if __name__ == "__main__":
    sys.exit(main())
