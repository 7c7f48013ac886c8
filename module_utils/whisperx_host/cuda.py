"""Installed CUDA toolkits and cuDNN libraries. They say nothing of what the driver can do."""

from __future__ import annotations

import json
import re
from typing import Dict, List, Optional, Sequence, Tuple

from .libc import LIB_DIRECTORIES
from .model import Cudnn, Toolkit
from .tree import Tree

__all__ = ["parse_cuda_header", "parse_version_json", "parse_version_txt", "read_cudnn", "read_toolkits"]

_TEXT = re.compile(r"CUDA Version (\d+)\.(\d+)")
_HEADER = re.compile(r"^#define\s+CUDA_VERSION\s+(\d{4,6})\s*$", re.MULTILINE)
_CUDNN = re.compile(r"^libcudnn\.so\.\d+$")
_SUFFIX = re.compile(r"\.so\.(\d+(?:\.\d+)*)$")


def parse_version_json(text: str) -> Optional[str]:
    """Return "12.8" of a toolkit's ``version.json``.

    {"cuda": {"name": "CUDA SDK", "version": "12.8.1"}, ...}
    """
    try:
        version = json.loads(text)["cuda"]["version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    match = re.match(r"^(\d+)\.(\d+)", version) if isinstance(version, str) else None
    return f"{match.group(1)}.{match.group(2)}" if match else None


def parse_version_txt(text: str) -> Optional[str]:
    """Return "10.2" of ``version.txt`` (toolkits up to 11.0): ``CUDA Version 10.2.89``."""
    match = _TEXT.search(text)
    return f"{match.group(1)}.{match.group(2)}" if match else None


def parse_cuda_header(text: str) -> Optional[str]:
    """Return "11.8" of ``cuda.h``: ``#define CUDA_VERSION 11080``."""
    match = _HEADER.search(text)
    if not match:
        return None
    number = int(match.group(1))
    return f"{number // 1000}.{number % 1000 // 10}"


def read_toolkits(tree: Tree, sources: Dict[str, str]) -> Tuple[Toolkit, ...]:
    """Find toolkits in ``/usr/local/cuda*``, ``/opt/cuda`` and in a distribution's ``/usr``, each once.

    In each directory: 1. version.json; 2. version.txt; 3. include/cuda.h.
    """
    directories = ["/usr/local/" + name for name in tree.names("/usr/local") if name.startswith("cuda")]
    found: Dict[str, Toolkit] = {}
    for directory in [*directories, "/opt/cuda", "/usr"]:
        real = tree.real(directory)
        if real in found:
            continue
        for name, parser in (
            ("version.json", parse_version_json),
            ("version.txt", parse_version_txt),
            ("include/cuda.h", parse_cuda_header),
        ):
            text = tree.text(f"{real}/{name}", private=True)
            version = parser(text) if text else None
            if version:
                found[real] = Toolkit(version, real)
                sources["cuda_toolkits." + real] = f"{real}/{name}"
                break
    if not found:
        sources["cuda_toolkits"] = "none in /usr/local/cuda*, /opt/cuda, /usr/include/cuda.h"
    return tuple(sorted(found.values(), key=lambda toolkit: toolkit.path))


def read_cudnn(
    tree: Tree, cached: Sequence[Tuple[str, str]], toolkits: Sequence[Toolkit], sources: Dict[str, str]
) -> Tuple[Cudnn, ...]:
    """Find ``libcudnn.so.N``: 1. in the loader's cache; 2. in library directories; 3. in the toolkits.

    The version is the suffix of the file behind the soname (``libcudnn.so.9.10.2``).
    """
    paths: List[str] = [path for soname, path in cached if _CUDNN.match(soname)]
    directories = list(LIB_DIRECTORIES) + [toolkit.path + "/lib64" for toolkit in toolkits]
    for directory in directories:
        paths += [f"{directory}/{name}" for name in tree.names(directory) if _CUDNN.match(name)]
    found: Dict[str, Cudnn] = {}
    for path in paths:
        real = tree.real(path)
        match = _SUFFIX.search(real)
        if match and real not in found and tree.exists(path):
            found[real] = Cudnn(match.group(1), path)
    sources["cudnn"] = "loader cache and library directories"
    return tuple(found.values())
