"""One file over HTTP, with an end: so many bytes and no more, so much time and no more.

Appends to what an earlier try left. A server may send for ever, slowly for ever, nothing at all, or stop
half-way; each ends in an error that says which, and never in a full disk. The caller checks the digest.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import threading
import urllib.request
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Optional

__all__ = ["USUAL", "Limits", "TooLong", "TooSlow", "Unwritable", "download"]

_BLOCK = 1 << 18


class TooLong(Exception):
    """The server sends more than the file has."""


class TooSlow(Exception):
    """The time for the file is over."""


class Unwritable(Exception):
    """The file cannot be written, whatever the server does; ``cause`` is why."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(cause.strerror or str(cause))
        self.cause = cause


@dataclass(frozen=True)
class Limits:
    """What a download may take. Times in seconds, sizes in bytes, ``rate`` in bytes a second."""

    stall: float = 60.0  # without a byte
    least: float = 600.0  # for any file, however small
    rate: float = 50e3  # slower than this on the whole is given up
    largest: int = 16 << 30  # of a file whose size nobody told

    def seconds(self, size: int) -> float:
        """Return how long a download of so many bytes may take."""
        return self.least + size / self.rate


USUAL = Limits()


def download(
    request: urllib.request.Request,
    path: str,
    size: Optional[int],
    tell: Callable[[int], None],
    context: Optional[ssl.SSLContext] = None,
    proxies: Optional[Dict[str, str]] = None,
    limits: Limits = USUAL,
) -> int:
    """Append to ``path`` what it lacks of the ``size`` bytes behind ``request``; return the bytes that came.

    ``size`` None is not known. ``tell`` gets every count of bytes that arrived, negative ones when those of
    an earlier try have to come again. ``proxies`` None are those of the environment.
    Raises TooLong, TooSlow, Unwritable, OSError (also urllib's HTTPError), http.client.HTTPException.
    """
    have = os.path.getsize(path) if os.path.exists(path) else 0
    most = limits.largest if size is None else size
    if have:
        request.add_header("Range", "bytes={}-".format(have))
    with _watched(limits.seconds(max(most - have, 0) if size is not None else 0)) as watch:
        try:
            opener = _opener(watch, context, proxies)
            with opener.open(request, timeout=min(limits.stall, watch.seconds)) as answer:
                resumed = answer.status == 206
                if have and not resumed:
                    tell(-have)
                length = answer.headers.get("Content-Length", "")
                left = int(length) if length.isdigit() else None
                room = most - (have if resumed else 0)
                if left is not None and left > room:
                    raise TooLong()
                if size is None and left is not None:
                    watch.extend(limits.seconds(left))
                moved = _pour(answer, path, resumed, room, tell)
        except (OSError, http.client.HTTPException):
            if watch.over:
                raise TooSlow() from None
            raise
        if watch.over:  # a closed connection looks like the end of the file
            raise TooSlow()
    if left is not None and moved < left:
        raise http.client.IncompleteRead(b"", left - moved)
    return moved


def _pour(answer: Any, path: str, resumed: bool, room: int, tell: Callable[[int], None]) -> int:
    """Write what arrives, as it arrives and at most ``room`` bytes; return how many they were."""
    moved = 0
    with _unwritable():
        stream = open(path, "ab" if resumed else "wb")  # noqa: SIM115 - closed below, with its errors told apart
    try:
        while True:
            block = answer.read1(_BLOCK)
            if not block:
                return moved
            moved += len(block)
            if moved > room:
                raise TooLong()
            with _unwritable():
                stream.write(block)
            tell(len(block))
    finally:
        with _unwritable():
            stream.close()


@contextlib.contextmanager
def _unwritable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unwritable(error) from None


class _Watch:
    """Ends connections when their time is over: a timeout of a socket begins anew with every byte."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.over = False
        self._sockets: List[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = self._start(seconds)

    def connect(self, *args: Any, **named: Any) -> socket.socket:
        """Connect as socket.create_connection does, and watch the connection."""
        made = socket.create_connection(*args, **named)
        with self._lock:
            self._sockets.append(made.dup())  # TLS takes the first one for itself
        return made

    def extend(self, seconds: float) -> None:
        """Give it so much time from now on."""
        self._timer.cancel()
        self._timer = self._start(seconds)

    def close(self) -> None:
        """Watch no more."""
        self._timer.cancel()
        with self._lock:
            for one in self._sockets:
                one.close()
            self._sockets = []

    def _start(self, seconds: float) -> threading.Timer:
        timer = threading.Timer(seconds, self._end)
        timer.daemon = True
        timer.start()
        return timer

    def _end(self) -> None:
        with self._lock:
            self.over = True
            for one in self._sockets:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def _watched(seconds: float) -> Iterator[_Watch]:
    watch = _Watch(seconds)
    try:
        yield watch
    finally:
        watch.close()


def _opener(
    watch: _Watch, context: Optional[ssl.SSLContext], proxies: Optional[Dict[str, str]]
) -> urllib.request.OpenerDirector:
    """Return an opener whose connections, also those after a redirection, are watched."""

    class Plain(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> Any:
            return self.do_open(_made(http.client.HTTPConnection, watch), req)

    class Secure(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> Any:
            return self.do_open(_made(http.client.HTTPSConnection, watch), req, context=context)

    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(proxies),
        Plain(),
        Secure(),
        urllib.request.FileHandler(),  # of an index that is a directory; no redirection leads there
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _made(kind: Any, watch: _Watch) -> Any:
    """Return a maker of connections of a kind that the watch knows."""

    def make(*args: Any, **named: Any) -> Any:
        connection = kind(*args, **named)
        connection._create_connection = watch.connect  # http.client's own hook; every version has it
        return connection

    return make
