"""Download locked files into the wheelhouse: in parallel, resumed, verified, each whole or not at all."""

from __future__ import annotations

import base64
import errno
import hashlib
import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ..whisperx_common.connection_causes import remedy_of
from ..whisperx_common.download import USUAL, Limits, TooLong, TooSlow, Unwritable, download
from ..whisperx_common.durable import make_directories, replace
from ..whisperx_lock.sources import Sources
from ..whisperx_problem import Problem
from .addresses import Address
from .house import House
from .progress import Progress

__all__ = ["Fetcher"]

_AT_ONCE = 4
_TRIES = 4
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass
class Fetcher:
    """Fetches into one house, with the credentials of ``sources``. ``pause`` in seconds, per failed try."""

    house: House
    sources: Sources
    progress: Progress
    pause: float = 1.0
    limits: Limits = USUAL
    _context: ssl.SSLContext = field(default_factory=ssl.create_default_context, repr=False)

    def fetch(self, addresses: Sequence[Address]) -> None:
        """Fetch every file. Raises Problem; what had arrived until then stays."""
        self.progress.begin(len(addresses), sum(address.size or 0 for address in addresses))
        # The largest first: the last thread is not left alone with it.
        queue = sorted(addresses, key=lambda address: -(address.size or 0))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            waiting = [pool.submit(self._one, address) for address in queue]
            try:
                for answer in waiting:
                    answer.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _one(self, address: Address) -> None:
        part = self.house.part(address.sha256)
        self.progress.add(_size(part))
        why = ""
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(self.pause * 2 ** (attempt - 1))
            began, fits = _size(part), True
            try:
                self._rest(address, part)
            except urllib.error.HTTPError as error:
                why = f"HTTP {error.code}"
                if error.code == 416:  # the part is as long as the file, or longer
                    began = max(began, 1)
                elif error.code < 500 and error.code != 429:
                    break
                else:
                    continue
            except TooLong:
                why, fits = f"more than the {address.size} bytes that it has were sent", False
            except TooSlow:
                why = "it comes too slowly"
                break
            except Unwritable as error:
                raise self._unwritable(address, error.cause) from None
            except (OSError, http.client.HTTPException) as error:
                why = str(getattr(error, "reason", None) or error) or type(error).__name__
                continue
            if fits and _digest(part) == address.sha256:
                self._keep(address, part)
                return
            self.progress.add(-_size(part))
            part.unlink(missing_ok=True)
            if not began:
                raise self._wrong(address, why)
            why = why or "the part that was there did not fit the rest"
        raise self._unreachable(address, why)

    def _rest(self, address: Address, part: Path) -> None:
        """Append to ``part`` what it lacks."""
        request, tell = self._request(address), self.progress.add
        download(request, str(part), address.size, tell, self._context, limits=self.limits)

    def _request(self, address: Address) -> urllib.request.Request:
        request = urllib.request.Request(address.url, headers={"Accept-Encoding": "identity"})
        username, password = self.sources.credentials_for(address.url)
        if username or password:
            pair = base64.b64encode(f"{username}:{password}".encode()).decode()
            # Unredirected: another server, to which this one may point, does not get it.
            request.add_unredirected_header("Authorization", "Basic " + pair)
        return request

    def _keep(self, address: Address, part: Path) -> None:
        """Put a verified file into its place, so that it is there whole even when the power fails."""
        target = self.house.path(address.sha256, address.file)
        make_directories(str(target.parent), None)
        part.chmod(0o644)
        replace(str(part), str(target))
        self.progress.done()

    def _wrong(self, address: Address, why: str) -> Problem:
        return Problem(
            "wheelhouse.wrong-hash",
            f"{address.file} is another file than the locked one" + (f": {why}" if why else ""),
            self.sources.name_of(address.url),
            f"SHA-256 {address.sha256}",
            "Do not use this index until it is known why the file changed.",
        )

    def _unwritable(self, address: Address, error: OSError) -> Problem:
        full = error.errno in _FULL
        return Problem(
            "wheelhouse.disk-space" if full else "wheelhouse.directory",
            f"{address.file} cannot be written: {error.strerror or error}",
            str(self.house.root),
            "room for the wheels that the locks name" if full else "a directory that this user may write",
            "Free some space, or set whisperx_wheelhouse_dir to another file system.",
        )

    def _unreachable(self, address: Address, why: str) -> Problem:
        return Problem(
            "wheelhouse.download",
            self.sources.scrub(f"{address.file} cannot be fetched: {why}"),
            self.sources.name_of(address.url),
            "the file that the index lists",
            remedy_of(why, "whisperx_plan_index_url") + " The next run resumes.",
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
