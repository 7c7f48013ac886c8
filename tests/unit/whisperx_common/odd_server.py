"""A web server that sends one file in an odd manner, on a real port of this machine."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

__all__ = ["MANNERS", "odd_server"]

Manner = Callable[[socket.socket, bytes, threading.Event], None]
PAUSE = 0.05  # seconds between two drops of a server that trickles


def _head(*lines: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode()


def whole(line: socket.socket, data: bytes, over: threading.Event) -> None:
    line.sendall(_head(f"Content-Length: {len(data)}") + data)


def endless(line: socket.socket, data: bytes, over: threading.Event) -> None:
    """No length is said, and there is no end."""
    line.sendall(_head() + data)
    while not over.is_set():
        line.sendall(b"x" * 65536)


def endless_chunks(line: socket.socket, data: bytes, over: threading.Event) -> None:
    line.sendall(_head("Transfer-Encoding: chunked"))
    while not over.is_set():
        line.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")


def more(line: socket.socket, data: bytes, over: threading.Event) -> None:
    """More is said and sent than the file has."""
    line.sendall(_head(f"Content-Length: {len(data) + 1}") + data + b"x")


def less(line: socket.socket, data: bytes, over: threading.Event) -> None:
    """The connection is closed before the end."""
    line.sendall(_head(f"Content-Length: {len(data)}") + data[: len(data) // 2])


def other(line: socket.socket, data: bytes, over: threading.Event) -> None:
    """Another file of the same size."""
    line.sendall(_head(f"Content-Length: {len(data)}") + bytes(len(data)))


def closes(line: socket.socket, data: bytes, over: threading.Event) -> None:
    """The connection is closed at once."""


def silent(line: socket.socket, data: bytes, over: threading.Event) -> None:
    """Nothing is ever said."""
    over.wait()


def stalls(line: socket.socket, data: bytes, over: threading.Event) -> None:
    line.sendall(_head(f"Content-Length: {len(data)}") + data[:10])
    over.wait()


def trickles(line: socket.socket, data: bytes, over: threading.Event) -> None:
    """A byte now and then: no single wait is long."""
    line.sendall(_head(f"Content-Length: {len(data)}"))
    for byte in data:
        if over.wait(PAUSE):
            return
        line.sendall(bytes([byte]))


def trickles_head(line: socket.socket, data: bytes, over: threading.Event) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not over.wait(PAUSE):
        line.sendall(b"x")


def redirects_elsewhere(line: socket.socket, data: bytes, over: threading.Event) -> None:
    line.sendall(b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n")


def redirects_in_circles(line: socket.socket, data: bytes, over: threading.Event) -> None:
    line.sendall(b"HTTP/1.1 302 Found\r\nLocation: /file\r\nContent-Length: 0\r\n\r\n")


def partial_from_elsewhere(line: socket.socket, data: bytes, over: threading.Event) -> None:
    """A part is sent that was not asked for."""
    said = f"Content-Range: bytes 5-9/{len(data)}"
    line.sendall(_head("Content-Length: 5", said).replace(b"200 OK", b"206 Partial Content") + data[5:10])


def no_http(line: socket.socket, data: bytes, over: threading.Event) -> None:
    line.sendall(b"\x00\xff SSH-2.0-OpenSSH\r\n" * 100)


MANNERS: dict[str, Manner] = {
    made.__name__: made
    for made in (
        whole,
        endless,
        endless_chunks,
        more,
        less,
        other,
        closes,
        silent,
        stalls,
        trickles,
        trickles_head,
        redirects_elsewhere,
        redirects_in_circles,
        partial_from_elsewhere,
        no_http,
    )
}


@contextlib.contextmanager
def odd_server(manner: str, data: bytes) -> Iterator[str]:
    """Serve ``data`` in this manner; yield the server's address, without a path."""
    over = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))

    def answer(line: socket.socket) -> None:
        with contextlib.suppress(OSError), line:
            line.recv(65536)
            MANNERS[manner](line, data, over)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(listening.accept()[0],), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
