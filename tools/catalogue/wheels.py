"""Read members of a wheel that lies on a server, by ranges: the directory, METADATA, single libraries."""

from __future__ import annotations

import io
import mmap
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import IO, cast

from module_utils.whisperx_problem import Problem

from .index import File, Index

__all__ = ["RemoteWheel", "read_metadata"]

_TAIL = 1 << 17
_LEAST, _MOST = 1 << 16, 1 << 23


class _RangeFile(io.RawIOBase):
    """A file on a server as a seekable stream. Reads ahead, the further the longer it is read in one go."""

    def __init__(self, index: Index, url: str) -> None:
        self._index = index
        self._url = url
        self._place = 0
        self._tail, self._size = index.tail(url, _TAIL)
        self._block, self._block_at, self._ahead = b"", 0, _LEAST

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(0, base + offset)
        return self._place

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._size - self._place)
        count = left if size < 0 else min(size, left)
        data = self._fetch(self._place, count) if count else b""
        self._place += len(data)
        return data

    def _fetch(self, start: int, count: int) -> bytes:
        tail_at = self._size - len(self._tail)
        if start >= tail_at:
            return self._tail[start - tail_at : start - tail_at + count]
        block_end = self._block_at + len(self._block)
        if self._block_at <= start and start + count <= block_end:
            return self._block[start - self._block_at : start - self._block_at + count]
        kept = b""
        if self._block_at <= start < block_end:
            kept = self._block[start - self._block_at :]
            self._ahead = min(self._ahead * 2, _MOST)
        elif start != block_end:
            self._ahead = _LEAST
        begin = start + len(kept)
        wanted = min(max(count - len(kept), self._ahead), self._size - begin)
        self._block = kept + self._index.part(self._url, begin, wanted)
        self._block_at = start
        return self._block[:count]


class RemoteWheel:
    """One wheel on the index, opened without downloading it. A context manager."""

    def __init__(self, index: Index, file: File) -> None:
        self.file = file
        try:
            self._zip = zipfile.ZipFile(cast(IO[bytes], _RangeFile(index, file.url)))
        except zipfile.BadZipFile as error:
            raise Problem(
                "catalogue.wheel", f"no wheel: {error}", file.url, "a zip file", "Report it to its publisher."
            ) from error

    def __enter__(self) -> RemoteWheel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def names(self) -> list[str]:
        """The members' names, files only."""
        return [item.filename for item in self._zip.infolist() if not item.is_dir()]

    def text(self, name: str) -> str:
        """A small text member."""
        return self._zip.read(name).decode("utf-8", "replace")

    def metadata(self) -> str:
        """The METADATA of the wheel's own dist-info directory."""
        own = [name for name in self.names() if name.endswith(".dist-info/METADATA") and name.count("/") == 1]
        if not own:
            raise Problem(
                "catalogue.wheel", "has no METADATA", self.file.url, "a wheel", "Report it to its publisher."
            )
        return self.text(own[0])

    @contextmanager
    def mapped(self, name: str) -> Iterator[mmap.mmap]:
        """A large member, unpacked to a temporary file and mapped."""
        with tempfile.TemporaryFile() as store, self._zip.open(name) as source:
            while chunk := source.read(1 << 20):
                store.write(chunk)
            store.flush()
            with mmap.mmap(store.fileno(), 0, access=mmap.ACCESS_READ) as view:
                yield view


def read_metadata(index: Index, file: File) -> str:
    """METADATA of one wheel: the file beside it, or from within it by ranges."""
    if file.has_metadata:
        return index.get(file.url + ".metadata").decode("utf-8", "replace")
    with RemoteWheel(index, file) as wheel:
        return wheel.metadata()
