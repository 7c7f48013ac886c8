"""A small HTTP server on the controller, for as long as one ansible-playbook runs.

It hands out the files of one list, each under a key drawn for this run and its SHA-256, and nothing else: no
listing, no other path. It ends by itself when the process it serves for is gone, however that ended.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NoReturn

from ..whisperx_problem import Problem

__all__ = ["Server", "address_towards", "start"]

_RANGE = re.compile(r"bytes=([0-9]+)-")
_LOOK_EVERY_S = 1.0


@dataclass(frozen=True)
class Server:
    """A running server: its port, and the key that every path begins with."""

    port: int
    key: str

    def url(self, address: str) -> str:
        """Return the address, without /SHA256/FILE, for a host that reaches the controller at ``address``."""
        shown = f"[{address}]" if ":" in address else address
        return f"http://{shown}:{self.port}/{self.key}"


def start(files: Mapping[str, Path], bind: str, port: int, serves: int) -> Server:
    """Serve ``files`` (SHA-256 -> path) from a process of its own until the process ``serves`` is gone.

    ``port`` 0 takes any that is free. Raises Problem "wheelhouse.serve".
    """
    key = secrets.token_urlsafe(24)
    allowed = {f"/{key}/{sha256}/{path.name}": path for sha256, path in files.items()}

    class Handler(_Handler):
        shelf = allowed

    try:
        family = socket.AF_INET6 if ":" in bind else socket.AF_INET
        kind = type("Server", (ThreadingHTTPServer,), {"address_family": family, "daemon_threads": True})
        http: ThreadingHTTPServer = kind((bind, port), Handler)
    except OSError as error:
        raise Problem(
            "wheelhouse.serve",
            f"the wheelhouse cannot be served: {error.strerror or error}",
            f"{bind}, port {port}",
            "an address of the controller and a free port",
            "Correct whisperx_wheelhouse_bind or whisperx_wheelhouse_port.",
        ) from None
    found = Server(http.server_port, key)
    sys.stdout.flush()
    if os.fork():
        http.socket.close()
        return found
    _serve(http, serves)


def address_towards(host: str) -> str:
    """Return the controller's own address on the way to ``host``; the loopback one when it has no route."""
    try:
        for family, kind, _proto, _name, place in socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM):
            with socket.socket(family, kind) as probe:
                probe.connect(place)  # sends nothing: the kernel only chooses the way
                return str(probe.getsockname()[0])
    except OSError:
        pass
    return "127.0.0.1"


def _serve(http: ThreadingHTTPServer, serves: int) -> NoReturn:
    """Be the server; never returns."""
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        # Whoever waits for our parent's pipes must not wait for us.
        keep = http.fileno()
        os.closerange(3, keep)
        os.closerange(keep + 1, 1024)
        threading.Thread(target=http.serve_forever, daemon=True).start()
        born = _born(serves)
        while born and _born(serves) == born:
            time.sleep(_LOOK_EVERY_S)
    finally:
        os._exit(0)


def _born(process: int) -> str:
    """Return when a process was started, in ticks; empty when it is gone (proc(5), field 22 of stat)."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD for the files of one shelf, whole or from an offset."""

    shelf: Mapping[str, Path] = {}
    protocol_version = "HTTP/1.1"
    timeout = 120

    def do_GET(self) -> None:
        """Send a file."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """Tell a file's size."""
        self._answer(body=False)

    def _answer(self, body: bool) -> None:
        path = self.shelf.get(self.path)
        if path is None or not path.is_file():
            self.send_error(404)
            return
        size = path.stat().st_size
        match = _RANGE.fullmatch(self.headers.get("Range", ""))
        offset = int(match.group(1)) if match else 0
        if offset and offset >= size:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if match else 200)
        if match:
            self.send_header("Content-Range", f"bytes {offset}-{size - 1}/{size}")
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(size - offset))
        self.end_headers()
        if body:
            with path.open("rb") as stream:
                stream.seek(offset)
                shutil.copyfileobj(stream, self.wfile, 1 << 18)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent: the terminal is not ours."""
