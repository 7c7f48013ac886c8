"""Installed CUDA toolkits and cuDNN libraries. They say nothing of what the driver can do."""

from __future__ import annotations

import json
import re
from typing import Dict, List, Optional, Sequence, Tuple

from ..whisperx_common.tree import Tree
from .libc import LIB_DIRECTORIES
from .model import Cudnn, Toolkit

__all__ = ["parse_cuda_number", "parse_version_json", "parse_version_txt", "read_cudnn", "read_toolkits"]

_TEXT = re.compile(r"CUDA Version (\d+)\.(\d+)")
_HEADER = re.compile(rb"#define[ \t]+CUDA_VERSION[ \t]+(\d{4,6})\s")
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


def parse_cuda_number(text: str) -> Optional[str]:
    """Return "11.8" of the number in ``cuda.h``, ``#define CUDA_VERSION 11080``."""
    if not re.match(r"^\d{4,6}$", text):
        return None
    number = int(text)
    return f"{number // 1000}.{number % 1000 // 10}"


def read_toolkits(tree: Tree, sources: Dict[str, str]) -> Tuple[Toolkit, ...]:
    """Find toolkits in ``/usr/local/cuda*``, ``/opt/cuda`` and in a distribution's ``/usr``, each once.

    The version comes from 1. version.json; 2. version.txt; 3. include/cuda.h.
    """
    directories = ["/usr/local/" + name for name in tree.names("/usr/local") if name.startswith("cuda")]
    found: Dict[str, Toolkit] = {}
    for directory in [*directories, "/opt/cuda", "/usr"]:
        real = tree.real(directory)
        if real in found:
            continue
        version, source = _toolkit_version(tree, real)
        if version:
            found[real] = Toolkit(version, real)
            sources["cuda_toolkits." + real] = source
    if not found:
        sources["cuda_toolkits"] = "none in /usr/local/cuda*, /opt/cuda, /usr/include/cuda.h"
    return tuple(sorted(found.values(), key=lambda toolkit: toolkit.path))


def _toolkit_version(tree: Tree, directory: str) -> Tuple[Optional[str], str]:
    """Return (version, the file that tells it) of the toolkit in ``directory``."""
    for name, parser in (("version.json", parse_version_json), ("version.txt", parse_version_txt)):
        text = tree.text(f"{directory}/{name}", private=True)
        version = parser(text) if text else None
        if version:
            return version, f"{directory}/{name}"
    number = tree.search(f"{directory}/include/cuda.h", _HEADER)
    return parse_cuda_number(number.decode("ascii") if number else ""), f"{directory}/include/cuda.h"


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
