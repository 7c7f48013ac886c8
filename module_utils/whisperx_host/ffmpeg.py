"""FFmpeg: its libraries, which torchcodec loads by soname, and its command, which WhisperX runs."""

from __future__ import annotations

import re
from typing import Dict, Optional, Sequence, Tuple

from ..whisperx_common.tree import Tree
from .libc import LIB_DIRECTORIES
from .model import Ffmpeg

__all__ = ["read_ffmpeg", "soname_major"]

_SONAME = re.compile(r"^libavutil\.so\.(\d{1,4})$")
_VERSION = re.compile(rb"%s version ([^\0 ,]{1,80})[\0,]")
_COMMANDS = ("/usr/local/bin/ffmpeg", "/usr/bin/ffmpeg", "/bin/ffmpeg", "/snap/bin/ffmpeg")
# Static builds of 80 MB and more are not searched for their version: it would cost more than all other facts.
_SEARCHED_MAX = 16 << 20


def soname_major(name: str) -> Optional[int]:
    """Return 59 of ``libavutil.so.59``, None for other names such as ``libavutil.so.59.39.100``."""
    match = _SONAME.match(name)
    return int(match.group(1)) if match else None


def read_ffmpeg(tree: Tree, cached: Sequence[Tuple[str, str]], sources: Dict[str, str]) -> Ffmpeg:
    """Find libavutil (1. loader cache, 2. library directories) and ffmpeg in the directories of a service's
    PATH.

    The version is the string in the binary, ``%s version 7.1.2-0+deb13u1, Copyright (c) %d-%d the FFmpeg
    developers``.
    """
    majors = {soname_major(soname) for soname, path in cached if tree.exists(path)}
    for directory in LIB_DIRECTORIES:
        majors.update(soname_major(name) for name in tree.names(directory) if name.startswith("libavutil"))
    found = tuple(sorted(major for major in majors if major is not None))
    sources["ffmpeg.libavutil"] = "loader cache and library directories"
    for path in _COMMANDS:
        if (tree.mode(path) or 0) & 0o111:
            sources["ffmpeg.path"] = path
            version = tree.search(path, _VERSION, _SEARCHED_MAX)
            return Ffmpeg(found, path, version.decode("utf-8", "replace") if version else None)
    return Ffmpeg(found)
