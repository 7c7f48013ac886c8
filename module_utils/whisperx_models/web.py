"""Files that no hub has: torchaudio's weights and NLTK's data, by their addresses."""

from __future__ import annotations

import http.client
import os
import ssl
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..whisperx_common.connection_causes import remedy_of
from ..whisperx_common.download import USUAL, Limits, TooLong, TooSlow, Unwritable, download
from ..whisperx_lock.contents import UNREADABLE
from ..whisperx_lock.sources import scrub
from ..whisperx_problem import Problem

__all__ = ["Web"]

_TRIES = 4
_LARGEST = 64 << 20  # bytes of NLTK's sentence data unpacked; it has 14 MB


def _silent(_size: int) -> None:
    pass


@dataclass
class Web:
    """``addresses``: torchaudio's and NLTK's base address. ``pause`` in seconds, per failed try."""

    torchaudio: str
    nltk: str
    tell: Callable[[int], None] = _silent
    pause: float = 1.0
    limits: Limits = USUAL

    def weights(self, file: str, target: Path, size: int | None) -> None:
        """Put a file of torchaudio at ``target``; what is there of it is completed. Raises Problem."""
        self._fetch(f"{self.torchaudio.rstrip('/')}/{file}", target, size, "whisperx_models_torch_url")

    def sentences(self, folder: str, scratch: Path) -> dict[str, Path]:
        """Return the files of a folder such as "punkt_tab/english" by name, unpacked below ``scratch``.

        Raises Problem.
        """
        data, _separator, language = folder.partition("/")
        archive = scratch / f"{data}.zip"
        if not archive.exists():
            part = archive.with_suffix(".part")
            address = f"{self.nltk.rstrip('/')}/tokenizers/{data}.zip"
            self._fetch(address, part, None, "whisperx_models_nltk_url")
            os.replace(part, archive)
        return _unpacked(archive, f"{data}/{language}/", scratch / data / language)

    def _fetch(self, url: str, target: Path, size: int | None, setting: str) -> None:
        why, context = "", ssl.create_default_context()
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(self.pause * 2 ** (attempt - 1))
            request = urllib.request.Request(url, headers={"Accept-Encoding": "identity"})
            try:
                download(request, str(target), size, self.tell, context, limits=self.limits)
                return
            except urllib.error.HTTPError as error:
                why = f"HTTP {error.code}"
                if error.code == 416 and target.exists():
                    if target.stat().st_size == size or size is None:
                        return
                    target.unlink()
                elif error.code < 500 and error.code != 429:
                    break
            except TooLong:
                why = f"more than {size} bytes"
                target.unlink(missing_ok=True)
            except TooSlow:
                why = "it comes too slowly"
                break
            except Unwritable as error:
                raise Problem(
                    "models.store",
                    f"{target.name} cannot be written: {error.cause.strerror}",
                    str(target.parent),
                    "a directory of the controller with free space",
                    "Free some space, or set whisperx_wheelhouse_dir to another file system.",
                ) from None
            except (OSError, http.client.HTTPException) as error:
                why = str(getattr(error, "reason", None) or error) or type(error).__name__
        name = url.rpartition("/")[2]
        raise Problem(
            "models.download",
            scrub(f"{name} cannot be fetched: {why}", []),
            scrub(url.rpartition("/")[0], []),
            "the file, under that address",
            remedy_of(why, setting) + " The next run resumes.",
        )


def _unpacked(archive: Path, folder: str, target: Path) -> dict[str, Path]:
    """Unpack one folder of an archive, no folder below it; return name to file."""
    found: dict[str, Path] = {}
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = [one for one in opened.infolist() if one.filename.startswith(folder)]
            if sum(one.file_size for one in entries) > _LARGEST:
                raise ValueError("it is too large")
            for entry in entries:
                name = entry.filename.removeprefix(folder)
                if not name or "/" in name or name.startswith("."):
                    continue
                target.mkdir(parents=True, exist_ok=True)
                found[name] = target / name
                with opened.open(entry) as stream:
                    found[name].write_bytes(stream.read(_LARGEST))
        if not found:
            raise ValueError(f"it has no {folder}")
    except (*UNREADABLE, ValueError) as error:
        archive.unlink(missing_ok=True)
        raise Problem(
            "models.sentences",
            f"NLTK's data cannot be used: {error}",
            archive.name,
            "an archive of NLTK, tokenizers/punkt_tab.zip",
            "Set whisperx_models_nltk_url to a server that has it, then run again.",
        ) from None
    return found
