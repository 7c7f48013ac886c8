"""A gentle client of one package index: plain GET with kept connections, ranges, retries.

The index speaks PEP 691 (JSON), with the fields of PEP 700 (sizes, upload times). Which index: the caller's
option, else what uv and pip would use (their environment variables), else the default that pip carries.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from module_utils.whisperx_problem import Problem

__all__ = ["File", "Index", "default_index"]

SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"
_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
_TRIES = 4
_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class File:
    """One file of the index. ``size`` in bytes, ``uploaded`` an ISO time; None where the index tells none."""

    name: str
    url: str
    sha256: str | None
    size: int | None
    uploaded: str | None
    yanked: str | None
    requires_python: str | None
    has_metadata: bool


def default_index() -> str:
    """The index that uv or pip would use on this machine."""
    for name in _VARIABLES:
        if os.environ.get(name):
            return os.environ[name]
    try:
        from pip._internal.models.index import PyPI
    except ImportError as error:
        raise Problem(
            "catalogue.no-index",
            "no index is named and pip is not installed to tell its default",
            "--index-url",
            "the URL of a package index",
            f"Give --index-url or set {_VARIABLES[0]}.",
        ) from error
    return str(PyPI.simple_url)


class Index:
    """One index and the connections to it and to where its files lie."""

    def __init__(self, url: str, pause: Callable[[float], None] = time.sleep) -> None:
        self.url = url.rstrip("/") + "/"
        self._pause = pause
        self._connections: dict[tuple[str, str], http.client.HTTPConnection] = {}
        self.requests = 0
        self.received = 0

    def close(self) -> None:
        """Close all connections."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def files(self, package: str) -> list[File]:
        """All files of a package (normalised name), in the index's order."""
        url = urllib.parse.urljoin(self.url, package + "/")
        _status, headers, body = self._get(url, {"Accept": SIMPLE_JSON})
        if SIMPLE_JSON not in headers.get("content-type", ""):
            raise Problem(
                "catalogue.index",
                f"the answer is {headers.get('content-type', 'of no type')}",
                url,
                f"an index that answers {SIMPLE_JSON} (PEP 691)",
                "Name another index with --index-url.",
            )
        return [_file(entry, url) for entry in json.loads(body)["files"]]

    def get(self, url: str) -> bytes:
        """A whole small file."""
        return self._get(url, {})[2]

    def part(self, url: str, start: int, count: int) -> bytes:
        """``count`` bytes from ``start``."""
        return self._range(url, f"bytes={start}-{start + count - 1}")[0]

    def tail(self, url: str, count: int) -> tuple[bytes, int]:
        """The last ``count`` bytes (or all), and the size of the whole file."""
        return self._range(url, f"bytes=-{count}")

    def _range(self, url: str, value: str) -> tuple[bytes, int]:
        status, headers, body = self._get(url, {"Range": value})
        if status == 206:
            return body, int(headers["content-range"].rpartition("/")[2])
        raise Problem(
            "catalogue.no-ranges",
            f"the server answers {status} to a request for a part of a file",
            url,
            "a server with range requests",
            "Name another index with --index-url; whole wheels are not downloaded.",
        )

    def _get(self, url: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        """GET with redirects and retries; raises Problem for every answer but 200 and 206."""
        trouble = ""
        for attempt in range(_TRIES):
            if attempt:
                self._pause(2.0**attempt)
            try:
                status, found, body = self._follow(url, headers)
            except (OSError, http.client.HTTPException) as error:
                trouble = f"{type(error).__name__}: {error}"
                self.close()
                continue
            if status in (200, 206):
                return status, found, body
            trouble = f"HTTP {status}"
            if status < 500 and status != 429:
                break
        raise Problem(
            "catalogue.download",
            f"cannot be fetched: {trouble}",
            url,
            "an answer of the index",
            "Check the index URL and the network; a new run goes on where this one stopped.",
        )

    def _follow(self, url: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        for _ in range(5):
            parts = urllib.parse.urlsplit(url)
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            connection = self._connection(parts)
            sent = {"User-Agent": "whisperx-fleet-catalogue", **headers, **_credentials(parts)}
            connection.request("GET", target or "/", headers=sent)
            response = connection.getresponse()
            body = response.read()
            self.requests += 1
            self.received += len(body)
            found = {name.lower(): value for name, value in response.getheaders()}
            if response.status in (301, 302, 303, 307, 308) and "location" in found:
                url = urllib.parse.urljoin(url, found["location"])
                continue
            return response.status, found, body
        raise http.client.HTTPException("too many redirects")

    def _connection(self, parts: urllib.parse.SplitResult) -> http.client.HTTPConnection:
        key = (parts.scheme, parts.netloc.rpartition("@")[2])
        if key not in self._connections:
            self._connections[key] = _connect(parts)
        return self._connections[key]


def _connect(parts: urllib.parse.SplitResult) -> http.client.HTTPConnection:
    host, port = parts.hostname or "", parts.port
    if parts.scheme not in ("http", "https"):
        raise Problem(
            "catalogue.index",
            f"scheme {parts.scheme!r}",
            parts.geturl(),
            "an http or https URL",
            "Name another index with --index-url.",
        )
    proxy = None
    if not urllib.request.proxy_bypass(host):
        proxy = urllib.request.getproxies().get(parts.scheme)
    seen = urllib.parse.urlsplit(proxy) if proxy else parts
    kind: type[http.client.HTTPConnection] = http.client.HTTPConnection
    options: dict[str, Any] = {"timeout": _TIMEOUT_S}
    if parts.scheme == "https":
        kind = http.client.HTTPSConnection
        options["context"] = ssl.create_default_context()
    connection = kind(seen.hostname or host, seen.port, **options)
    if proxy:
        connection.set_tunnel(host, port or (443 if parts.scheme == "https" else 80))
    return connection


def _credentials(parts: urllib.parse.SplitResult) -> dict[str, str]:
    if parts.username is None:
        return {}
    pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def _file(entry: dict[str, Any], base: str) -> File:
    yanked = entry.get("yanked", False)
    metadata = entry.get("core-metadata", entry.get("dist-info-metadata", False))
    return File(
        name=entry["filename"],
        url=urllib.parse.urljoin(base, entry["url"]),
        sha256=entry.get("hashes", {}).get("sha256"),
        size=entry.get("size"),
        uploaded=entry.get("upload-time"),
        yanked=None
        if yanked is False
        else (yanked if isinstance(yanked, str) and yanked else "no reason given"),
        requires_python=entry.get("requires-python"),
        has_metadata=bool(metadata),
    )
