"""A package index on localhost: PEP 691 listing, files with range requests, and trouble on request."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["FakeIndex", "wheel"]


def wheel(
    name: str,
    version: str,
    requires: tuple[str, ...] = (),
    members: dict[str, bytes] | None = None,
    extras: tuple[str, ...] = (),
) -> bytes:
    """A wheel with METADATA and the given members."""
    store = io.BytesIO()
    with zipfile.ZipFile(store, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in (members or {}).items():
            archive.writestr(member, data)
        lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"]
        lines += [f"Provides-Extra: {item}\n" for item in extras]
        lines += [f"Requires-Dist: {item}\n" for item in requires]
        archive.writestr(f"{name}-{version}.dist-info/METADATA", "".join(lines) + "\nLong text.\n")
    return store.getvalue()


@dataclass
class FakeIndex:
    """``files``: package to {file name: (bytes, extra listing fields)}; ``trouble``: answers given first."""

    files: dict[str, dict[str, tuple[bytes, dict[str, object]]]] = field(default_factory=dict)
    trouble: list[int] = field(default_factory=list)
    ranges: bool = True
    kind: str = "application/vnd.pypi.simple.v1+json"
    requests: list[str] = field(default_factory=list)
    url: str = ""

    def put(self, package: str, name: str, data: bytes = b"", **extra: object) -> None:
        """Offer a file."""
        self.files.setdefault(package, {})[name] = (data, extra)

    def __enter__(self) -> FakeIndex:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/simple/"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Serve one GET."""
        self.requests.append(request.path)
        if self.trouble:
            self._send(request, self.trouble.pop(0), b"trouble", {})
            return
        place, _, name = request.path.lstrip("/").partition("/")
        if place == "simple" and name.rstrip("/") in self.files:
            self._send(request, 200, self._listing(name.rstrip("/")), {"Content-Type": self.kind})
            return
        found = [files[name] for files in self.files.values() if name in files]
        if place != "files" or not found:
            self._send(request, 404, b"none", {})
            return
        data, asked = found[0][0], request.headers.get("Range")
        if not asked or not self.ranges:
            self._send(request, 200, data, {})
            return
        first, _, last = asked.removeprefix("bytes=").partition("-")
        start = int(first) if first else max(0, len(data) - int(last))
        end = min(int(last) + 1, len(data)) if first else len(data)
        head = {"Content-Range": f"bytes {start}-{end - 1}/{len(data)}"}
        self._send(request, 206, data[start:end], head)

    def _listing(self, package: str) -> bytes:
        files = [
            {
                "filename": name,
                "url": f"/files/{name}",
                "hashes": {"sha256": hashlib.sha256(data).hexdigest()},
                "size": len(data),
                "upload-time": "2026-01-02T03:04:05Z",
                "requires-python": ">=3.9",
                "yanked": False,
                **extra,
            }
            for name, (data, extra) in self.files[package].items()
        ]
        return json.dumps({"meta": {"api-version": "1.1"}, "name": package, "files": files}).encode()

    def _send(self, request: BaseHTTPRequestHandler, status: int, body: bytes, head: dict[str, str]) -> None:
        request.send_response(status)
        for name, value in {**head, "Content-Length": str(len(body))}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)
