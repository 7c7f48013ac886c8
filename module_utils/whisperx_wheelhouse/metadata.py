"""The METADATA of a wheel that an index or a directory gave: whatever it holds, it ends in a Problem."""

from __future__ import annotations

import re
import zipfile
from email.message import Message
from email.parser import BytesHeaderParser
from pathlib import Path

from ..whisperx_common.wording import printable
from ..whisperx_lock.contents import UNREADABLE
from ..whisperx_problem import Problem

__all__ = ["read_metadata"]

_NAME = re.compile(r"[^/]+\.dist-info/METADATA")
_LARGEST = 16 << 20  # bytes; the largest that is known has some 100 kB


def read_metadata(wheel: Path) -> Message:
    """Return the headers of a wheel's METADATA. Raises Problem "bundle.wheel"."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            entries = [one for one in archive.infolist() if _NAME.fullmatch(one.filename)]
            if len(entries) != 1:
                raise ValueError(f"{len(entries)} files METADATA")
            with archive.open(entries[0]) as stream:
                data = stream.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise ValueError(f"METADATA of more than {_LARGEST >> 20} MiB")
        return BytesHeaderParser().parsebytes(data)
    except UNREADABLE as error:
        raise Problem(
            "bundle.wheel",
            f"{printable(wheel.name)} cannot be read: {printable(str(error))[:200] or type(error).__name__}",
            printable(str(wheel)),
            "a wheel with one METADATA in its .dist-info",
            "Remove the file and run again: it is downloaded or built again.",
        ) from None
