"""A stand-in for the Hugging Face hub: its real protocol for the real huggingface_hub, without Xet.

    with Hub() as hub:
        hub.add("Systran/faster-whisper-base", weights.base())           # a revision; main points to it
        hub.add("pyannote/secret", {"config.yaml": b"..."}, gated=True)  # 401 without a token, 403 with one
        hub.accept("hf_good", "pyannote/secret")                         # its owner accepted the terms
        hub.file("/torchaudio/models/x.pth", b"...")                     # plain files, as torchaudio's
        os.environ["HF_ENDPOINT"] = hub.endpoint

Large files and weights are in LFS, as on the hub: the file's address redirects to a store of its own, and
only these files have a SHA-256. ``faults`` makes the answers go wrong; ``requests`` and ``sent`` are what
happened.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from .repositories import Blob, Faults, Repository, details, entry

__all__ = ["Faults", "Hub"]

_BLOCK = 1 << 16
_RESOLVE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
_API = re.compile(r"/api/models/([^/]+/[^/]+?)(?:/(revision|tree)/([^/]+))?(?:/(.*))?")


class Hub:
    """The server, on a free port of ``host``; a context manager, or ``start`` and ``stop``."""

    def __init__(self, host: str = "127.0.0.1", ranges: bool = True) -> None:
        self.repositories: dict[str, Repository] = {}
        self.files: dict[str, Blob] = {}
        self.tokens: set[str] = set()
        self.faults = Faults()
        # Whether a part of a file can be asked for.
        self.ranges = ranges
        # (method, path without its query), in order.
        self.requests: list[tuple[str, str]] = []
        # path of a repository's or plain file -> bytes that were sent of its content
        self.sent: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._over = threading.Event()
        # The second is the store of large files: of another host, which the library must not follow blindly.
        self._servers = [ThreadingHTTPServer((host, 0), _Handler) for _ in range(2)]
        for server in self._servers:
            server.daemon_threads = True
            server.hub = self  # type: ignore[attr-defined]

    @property
    def endpoint(self) -> str:
        """What HF_ENDPOINT and whisperx_models_endpoint are set to."""
        return self._address(0)

    def _address(self, number: int) -> str:
        host, port = self._servers[number].server_address[:2]
        return f"http://{host if isinstance(host, str) else host.decode()}:{port}"

    def __enter__(self) -> Hub:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Hub:
        """Serve in threads."""
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        """End, and free the port."""
        self._over.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def add(
        self,
        name: str,
        files: Mapping[str, bytes | Path] | Path,
        gated: bool | None = None,
        license: str = "",
    ) -> str:
        """Add a revision with these files (or all below a directory), make it main, return its 40 hex."""
        if isinstance(files, Path):
            top = files
            files = {str(path.relative_to(top)): path for path in sorted(top.rglob("*")) if path.is_file()}
        blobs = {path: Blob.of(path, source) for path, source in files.items()}
        listing = name + "".join(f"\n{path} {blob.git}" for path, blob in sorted(blobs.items()))
        revision = hashlib.sha1(listing.encode(), usedforsecurity=False).hexdigest()
        repository = self.repositories.setdefault(name, Repository(name))
        repository.revisions[revision] = blobs
        repository.refs["main"] = revision
        repository.gated = repository.gated if gated is None else gated
        repository.license = license or repository.license
        return revision

    def accept(self, token: str, *repositories: str) -> None:
        """Make ``token`` valid, and let its owner have accepted the terms of ``repositories``."""
        self.tokens.add(token)
        for name in repositories:
            self.repositories[name].accepted.add(token)

    def file(self, path: str, source: bytes | Path) -> str:
        """Serve a plain file at ``path`` and return its address."""
        self.files[path] = Blob.of(path, source)
        return self.endpoint + path

    def forget(self) -> None:
        """Count from here on."""
        with self._lock:
            self.requests.clear()
            self.sent.clear()

    def _note(self, method: str, path: str) -> None:
        with self._lock:
            self.requests.append((method, path))

    def _count(self, name: str, size: int) -> None:
        with self._lock:
            self.sent[name] += size


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> Hub:
        return self.server.hub  # type: ignore[attr-defined, no-any-return]

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        hub._note(self.command, path)
        if hub.faults.silent:
            hub._over.wait()
            self.close_connection = True
            return
        for beginning, status in hub.faults.status.items():
            if path.startswith(beginning):
                return self._refuse(status, "", "the stand-in was asked to fail")
        if path in hub.files:
            return self._content(path, hub.files[path])
        if path == "/api/whoami-v2":
            return self._whoami()
        if path.startswith("/lfs/"):
            return self._stored(path)
        found = _RESOLVE.fullmatch(path)
        if found:
            return self._resolve(*found.groups())
        found = _API.fullmatch(path)
        if found:
            return self._api(*found.groups())
        return self._refuse(404, "", "not found")

    def _token(self) -> str:
        return (self.headers.get("Authorization") or "").partition("Bearer ")[2]

    def _whoami(self) -> None:
        if self._token() not in self.hub.tokens:
            return self._refuse(401, "", "Invalid username or password.")
        return self._json({"name": "lab", "type": "user", "auth": {"type": "access_token"}})

    def _repository(self, name: str) -> Repository | None:
        """Return a repository that this caller may know of, None when the answer is given already."""
        token = self._token()
        if token and token not in self.hub.tokens:
            self._refuse(401, "", "Invalid credentials in Authorization header")
            return None
        repository = self.hub.repositories.get(name)
        if repository is None:
            # Who is nobody is not told whether it exists.
            words = "Repository not found" if token else "Invalid username or password."
            self._refuse(404 if token else 401, "RepoNotFound", words)
        return repository

    def _api(self, name: str, kind: str | None, revision: str | None, rest: str | None) -> None:
        repository = self._repository(name)
        if repository is None:
            return None
        commit = repository.resolve(revision or "main")
        if not commit:
            return self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        blobs = repository.revisions[commit]
        if kind == "tree":
            below = {path: blob for path, blob in blobs.items() if not rest or path.startswith(rest + "/")}
            if rest and not below:
                return self._refuse(404, "EntryNotFound", f"{rest} does not exist on {commit}")
            return self._json([entry(path, blob) for path, blob in sorted(below.items())])
        query = parse_qs(urlsplit(self.path).query)
        blobs_too = "blobs" in query
        siblings = [
            dict({"rfilename": path}, **(details(blob) if blobs_too else {})) for path, blob in blobs.items()
        ]
        return self._json(
            {
                "_id": "0",
                "id": name,
                "modelId": name,
                "sha": commit,
                "private": False,
                "gated": "auto" if repository.gated else False,
                "disabled": False,
                "downloads": 1,
                "likes": 0,
                "author": name.partition("/")[0],
                "lastModified": "2026-01-01T00:00:00.000Z",
                "createdAt": "2026-01-01T00:00:00.000Z",
                "library_name": "ctranslate2",
                "tags": [f"license:{repository.license}"],
                "cardData": {"license": repository.license},
                "siblings": siblings,
            }
        )

    def _resolve(self, name: str, revision: str, path: str) -> None:
        repository = self._repository(name)
        if repository is None:
            return None
        commit = repository.resolve(revision)
        if not commit:
            return self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        if repository.gated and self._token() not in repository.accepted:
            return self._gated(repository)
        blob = repository.revisions[commit].get(path)
        headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes" if self.hub.ranges else "none"}
        if blob is None:
            return self._refuse(404, "EntryNotFound", "Entry not found", headers)
        headers["ETag"] = f'"{blob.etag}"'
        if not blob.lfs:
            return self._content(f"{name}/{path}", blob, headers)
        headers["X-Linked-Etag"], headers["X-Linked-Size"] = f'"{blob.etag}"', str(blob.size)
        headers["Location"] = f"{self.hub._address(1)}/lfs/{name}/{commit}/{path}"
        return self._send(302, b"Found. Redirecting", headers)

    def _gated(self, repository: Repository) -> None:
        page = f"{self.hub.endpoint}/{repository.name}"
        if self._token():
            words = (
                f"Access to model {repository.name} is restricted and you are not in the authorized list. "
            )
            return self._refuse(403, "GatedRepo", words + f"Visit {page} to ask for access.")
        words = f"Access to model {repository.name} is restricted. You must have access to it and be "
        return self._refuse(401, "GatedRepo", words + "authenticated to access it. Please log in.")

    def _stored(self, path: str) -> None:
        """The store behind the hub: no token, no names, only content."""
        owner, name, commit, inside = path[len("/lfs/") :].split("/", 3)
        repository = self.hub.repositories.get(f"{owner}/{name}")
        blob = repository.revisions.get(commit, {}).get(inside) if repository else None
        if blob is None:
            return self._refuse(404, "", "not found")
        return self._content(f"{owner}/{name}/{inside}", blob, {"ETag": f'"{blob.etag}"'})

    def _content(self, name: str, blob: Blob, headers: Mapping[str, str] | None = None) -> None:
        data, status, more = blob.read(), 200, dict(headers or {})
        if any(name.endswith(end) for end in self.hub.faults.wrong):
            data = bytes(byte ^ 0xFF for byte in data[:64]) + data[64:]
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if wanted and self.hub.ranges:
            first, last = int(wanted[1]), int(wanted[2] or blob.size - 1)
            if first >= blob.size:
                return self._refuse(416, "", "range", {"Content-Range": f"bytes */{blob.size}"})
            more["Content-Range"] = f"bytes {first}-{min(last, blob.size - 1)}/{blob.size}"
            data, status = data[first : last + 1], 206
        return self._send(status, data, more, name)

    def _send(self, status: int, data: bytes, headers: Mapping[str, str], name: str = "") -> None:
        """Answer; ``name`` is the file whose content ``data`` is, "" for an answer of another kind."""
        self.send_response(status)
        for key, value in {"Content-Type": "application/octet-stream", **headers}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "HEAD":
            return
        cut = self._cut(name)
        for start in range(0, len(data), _BLOCK):
            block = data[start : min(start + _BLOCK, len(data) if cut is None else cut)]
            try:
                self.wfile.write(block)
            except OSError:
                self.close_connection = True
                return
            if name:
                self.hub._count(name, len(block))
            if cut is not None and start + _BLOCK >= cut:
                self.close_connection = True
                return

    def _cut(self, name: str) -> int | None:
        """Return after how many bytes the connection ends, None for never; each is used ``cuts`` times."""
        faults = self.hub.faults
        end = next((end for end in faults.cut if name and name.endswith(end)), None)
        if end is None:
            return None
        with self.hub._lock:
            key = f"cut {end}"
            done = sum(1 for method, path in self.hub.requests if method == key)
            if done >= faults.cuts:
                return None
            self.hub.requests.append((key, name))
        return faults.cut[end]

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _refuse(self, status: int, code: str, words: str, headers: Mapping[str, str] | None = None) -> None:
        more = dict(headers or {}, **{"X-Error-Message": words, "Content-Type": "application/json"})
        if code:
            more["X-Error-Code"] = code
        self._send(status, json.dumps({"error": words}).encode(), more)
