"""Is a file a Whisper model that the installed CTranslate2 can read? Known from its head and its table.

The weights themselves are skipped, so that a model of gigabytes takes milliseconds. Source of the format:
ctranslate2/specs/model_spec.py and src/models/model.cc, binary version 6.
"""

from __future__ import annotations

import os
import re
import struct
from importlib.util import find_spec
from typing import IO, Tuple

from .micro_model import BINARY_VERSION, NAME

__all__ = ["inspect", "newest_version"]

# How files of other kinds begin, and what they are.
_OTHERS = (
    (b"version https://git-lfs", "is the pointer of Git LFS, not the file behind it"),
    (
        b"PK\x03\x04",
        "holds PyTorch's weights; CTranslate2 reads what ct2-transformers-converter makes of them",
    ),
    (b"lmgg", "is a model of whisper.cpp (ggml)"),
    (b"ggml", "is a model of whisper.cpp (ggml)"),
    (b"GGUF", "is a model of llama.cpp or whisper.cpp (GGUF)"),
    (b"<!", "is a web page"),
    (b"<html", "is a web page"),
    (b"{", "is text (JSON)"),
)


def newest_version() -> int:
    """Return the newest binary version that the installed CTranslate2 writes, and so reads."""
    spec = find_spec("ctranslate2")
    places = spec.submodule_search_locations if spec is not None else None
    for place in places or ():
        path = os.path.join(place, "specs", "model_spec.py")
        if os.path.isfile(path):
            with open(path, encoding="utf-8") as stream:
                found = re.search(r"^CURRENT_BINARY_VERSION = (\d+)", stream.read(), re.MULTILINE)
            if found:
                return int(found.group(1))
    return BINARY_VERSION


def inspect(path: str, newest: int) -> str:
    """Return what the model is, in a few words. ``newest``: the binary version that can be read.

    Raises ValueError, which says what is wrong with the file, or OSError.
    """
    size = os.stat(path).st_size
    with open(path, "rb") as stream:
        head = stream.read(64)
        for beginning, kind in _OTHERS:
            if head.lower().startswith(beginning.lower()):
                raise ValueError("{} {}".format(path, kind))
        if size < 16:
            raise ValueError("{} has {} bytes and is cut off".format(path, size))
        if head[8:9] == b"{":
            raise ValueError("{} holds weights in safetensors; CTranslate2 reads model.bin".format(path))
        stream.seek(0)
        return _read(stream, path, size, newest)


def _read(stream: IO[bytes], path: str, size: int, newest: int) -> str:
    (version,) = struct.unpack("<I", stream.read(4))
    if not 1 <= version < 256:
        raise ValueError("{} is in no format of CTranslate2".format(path))
    if version > newest:
        raise ValueError(
            "{} is for a newer CTranslate2: format {}, and the installed one reads up to {}".format(
                path, version, newest
            )
        )
    try:
        kind = _text(stream) if version >= 2 else NAME
        if kind != NAME:
            raise ValueError("{} holds a model of kind {}, wanted {}".format(path, kind[:40], NAME))
        if version == BINARY_VERSION:
            stream.read(4)
            end = _skip(stream)
            if end > size:
                raise ValueError("{} is cut off: {} of at least {} bytes".format(path, size, end))
    except (struct.error, UnicodeDecodeError):
        raise ValueError("{} is cut off or damaged: {} bytes".format(path, size)) from None
    return "format {}, {} MB".format(version, size >> 20)


def _skip(stream: IO[bytes]) -> int:
    """Return where the table of weights and of aliases ends."""
    position = stream.tell()
    for _turn in range(_number(stream)):
        _text(stream)
        (rank,) = struct.unpack("<B", stream.read(1))
        stream.read(4 * rank)
        (_kind, length) = _kind_and_length(stream)
        position = stream.seek(length, os.SEEK_CUR)
    # The last weight may be the one that is cut off; what would follow it cannot be read then.
    if position > os.fstat(stream.fileno()).st_size:
        return position
    for _turn in range(2 * _number(stream)):
        _text(stream)
    return stream.tell()


def _kind_and_length(stream: IO[bytes]) -> Tuple[int, int]:
    kind, length = struct.unpack("<BI", stream.read(5))
    return kind, length


def _number(stream: IO[bytes]) -> int:
    (number,) = struct.unpack("<I", stream.read(4))
    return int(number)


def _text(stream: IO[bytes]) -> str:
    (length,) = struct.unpack("<H", stream.read(2))
    content = stream.read(length)
    if len(content) != length:
        raise struct.error("cut off")
    return content.rstrip(b"\0").decode("ascii")
