"""What the managed files of an image are at the end: compiled, shared between profiles, without downloads."""

from __future__ import annotations

import concurrent.futures
import os
import shutil
import stat
import tempfile
from typing import Dict, Iterator, List, Tuple

from ..whisperx_common import process
from ..whisperx_common.files import sha256

__all__ = ["compile_release", "digests", "drop_downloads", "share", "sizes", "varying"]

# Not by time stamp: those differ from bake to bake. The file names inside are relative, so that two profiles
# can share a file; the interpreter puts the real path there when it loads one. Prints how many it wrote.
_COMPILE = r"""
import concurrent.futures, importlib.util, os, py_compile, sys

def hashed(path):
    try:
        with open(path, "rb") as stream:
            head = stream.read(8)
    except OSError:
        return False
    return head[:4] == importlib.util.MAGIC_NUMBER and head[4:8] == b"\1\0\0\0"

def compile_one(item):
    path, name = item
    try:
        if "--check" in sys.argv:
            with open(path, "rb") as stream:
                compile(stream.read(), name, "exec")
            return 1
        py_compile.compile(path, dfile=name, doraise=True,
                           invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        return 1
    except Exception:
        return 0

def main(top):
    work = []
    for folder, folders, files in os.walk(top):
        folders.sort()
        for name in sorted(files):
            path = os.path.join(folder, name)
            if name.endswith(".py") and not hashed(importlib.util.cache_from_source(path)):
                work.append((path, os.path.relpath(path, top)))
    with concurrent.futures.ProcessPoolExecutor() as pool:
        print(sum(pool.map(compile_one, work, chunksize=64)))

if __name__ == "__main__":
    main(sys.argv[1])
"""
# Longer than a whole WhisperX takes on one slow core.
_SECONDS = 3600
# What two bakes of the same inputs cannot have alike, by file name, and why.
VARYING = {
    "release.json": "it has the time of the build, and the duration of the verification on the builder",
}


def compile_release(release: str, check: bool) -> int:
    """Compile what is not compiled by hash yet; return how many files. Files that are no Python are left.

    ``release``: its path. Raises RuntimeError with what the interpreter said.
    """
    # A file, and not inside the release: what starts new interpreters has to find it by name.
    with tempfile.TemporaryDirectory(prefix="whisperx-compile-") as scratch:
        script = os.path.join(scratch, "compile_release.py")
        with open(script, "w", encoding="utf-8") as stream:
            stream.write(_COMPILE)
        command = [os.path.join(release, "bin", "python"), "-I", script, release]
        environment = {"PATH": process.PATH, "LC_ALL": "C.UTF-8"}
        code, said = process.run(command + (["--check"] if check else []), environment, _SECONDS)
    if code or not said.strip().isdigit():
        raise RuntimeError(said[-500:])
    return int(said)


def share(releases: str, check: bool) -> Tuple[int, int]:
    """Make one file of those that releases have alike under the same name; return how many, and bytes
    saved.
    """
    first: Dict[Tuple[str, int, int], List[str]] = {}
    count = saved = 0
    for name in sorted(_names(releases)):
        top = os.path.join(releases, name)
        for path in _files(top):
            info = os.lstat(path)
            if not stat.S_ISREG(info.st_mode) or info.st_size == 0:
                continue
            key = (os.path.relpath(path, top), info.st_size, info.st_mode)
            for other in first.setdefault(key, []):
                if os.path.samefile(other, path):
                    break
                if sha256(other) == sha256(path):
                    count, saved = count + 1, saved + info.st_size
                    if not check:
                        os.link(other, path + ".shared")
                        os.replace(path + ".shared", path)
                    break
            else:
                first[key].append(path)
    return count, saved


def drop_downloads(root: str, check: bool) -> List[str]:
    """Remove what only building needs: the download cache and the files that travelled; return what was
    there.
    """
    there = [
        os.path.join(root, name) for name in ("cache", "files") if os.path.isdir(os.path.join(root, name))
    ]
    for path in there if not check else ():
        shutil.rmtree(path)
    return there


def digests(tops: List[str]) -> Dict[str, str]:
    """Return path -> SHA-256 of every managed file, or the target of a link; what varies by nature is left
    out.
    """
    found: Dict[str, str] = {}
    # What profiles share has several names and is read once; reading and hashing takes every core.
    names: Dict[Tuple[int, int], List[str]] = {}
    for top in tops:
        for path in [top] if not os.path.isdir(top) or os.path.islink(top) else _files(top):
            if os.path.basename(path) in VARYING or not os.path.lexists(path):
                continue
            info = os.lstat(path)
            if stat.S_ISLNK(info.st_mode):
                found[path] = "-> " + os.readlink(path)
            elif stat.S_ISREG(info.st_mode):
                names.setdefault((info.st_dev, info.st_ino), []).append(path)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for paths, digest in zip(names.values(), pool.map(sha256, [paths[0] for paths in names.values()])):
            found.update(dict.fromkeys(paths, digest))
    return found


def varying(tops: List[str]) -> Dict[str, str]:
    """Return path -> reason of every managed file that ``digests`` leaves out."""
    return {
        path: VARYING[os.path.basename(path)]
        for top in tops
        if os.path.isdir(top)
        for path in _files(top)
        if os.path.basename(path) in VARYING
    }


def sizes(root: str) -> Dict[str, int]:
    """Return bytes on disk by part: the system, and of the managed root each release, downloads, the rest.

    A file with several names counts once, for the part that has it first.
    """
    seen = set()
    parts: Dict[str, int] = {"system": 0}
    device = os.lstat("/").st_dev
    for folder, folders, files in os.walk("/"):
        folders[:] = sorted(name for name in folders if _on(os.path.join(folder, name), device))
        part = _part(folder, root)
        for name in files:
            info = os.lstat(os.path.join(folder, name))
            if info.st_nlink > 1:
                if (info.st_dev, info.st_ino) in seen:
                    continue
                seen.add((info.st_dev, info.st_ino))
            parts[part] = parts.get(part, 0) + info.st_blocks * 512
    return parts


def _part(folder: str, root: str) -> str:
    if folder != root and not folder.startswith(root + "/"):
        return "system"
    parts = os.path.relpath(folder, root).split("/")
    if parts[0] == "releases" and len(parts) > 1:
        return parts[1]
    return "downloads" if parts[0] in ("cache", "files") else "managed"


def _on(path: str, device: int) -> bool:
    """Whether a directory is of this file system and not of the running machine."""
    info = os.lstat(path)
    return info.st_dev == device and not os.path.islink(path)


def _files(top: str) -> Iterator[str]:
    for folder, folders, files in os.walk(top):
        folders.sort()
        for name in sorted(files) + [name for name in folders if os.path.islink(os.path.join(folder, name))]:
            yield os.path.join(folder, name)


def _names(directory: str) -> List[str]:
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []
