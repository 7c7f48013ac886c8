"""Where packages come from: indexes, directories, credentials; and how none of the latter ever shows.

Credentials reach uv through its environment only. They are in no argument list, no lock, no message and no
result: `Sources.scrub` goes over every text that leaves this part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from ..whisperx_problem import Problem

__all__ = ["Index", "Sources", "make_sources", "scrub"]

_USERINFO = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^/\s'\"<>]*@")
_BUILD = re.compile(r"cpu|xpu|cu[0-9]+|rocm[0-9.]+")
_HIDDEN = "****"
# A shorter secret would blank out parts of ordinary words; it stays hidden where it stands in an address.
_SHORTEST_SECRET = 4


@dataclass(frozen=True)
class Index:
    """One package index: uv's name for it, its address without credentials, and these apart."""

    name: str
    url: str
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def argument(self) -> str:
        """What uv is given as --index or --default-index."""
        return f"{self.name}={self.url}"

    def environment(self) -> dict[str, str]:
        """Return the variables in which uv looks for this index's credentials."""
        stem = "UV_INDEX_" + re.sub(r"[^A-Z0-9]", "_", self.name.upper())
        found = {"USERNAME": self.username, "PASSWORD": self.password}
        return {f"{stem}_{key}": value for key, value in found.items() if value}


@dataclass(frozen=True)
class Sources:
    """All places that a lock may take packages from. ``default`` None is uv's own default index.

    ``python`` is the mirror of managed Pythons, an address or a directory; None for where uv has them from.
    """

    default: Index | None = None
    extra: tuple[Index, ...] = ()
    torch: Index | None = None
    find_links: tuple[Path, ...] = ()
    python: Index | Path | None = None

    @property
    def indexes(self) -> tuple[Index, ...]:
        """Every index the user named, the PyTorch base included."""
        return tuple(index for index in (self.default, *self.extra, self.torch) if index)

    @property
    def servers(self) -> tuple[Index, ...]:
        """Every address the user named: the indexes, and a mirror of Pythons that is one."""
        return (*self.indexes, *([self.python] if isinstance(self.python, Index) else []))

    def arguments(self) -> list[str]:
        """Return uv's arguments for the indexes (not the PyTorch one) and directories."""
        found = ["--default-index", self.default.argument] if self.default else []
        for index in self.extra:
            found += ["--index", index.argument]
        if self.extra:
            # As with pip, an extra index need not carry everything: what it lacks comes from the next one.
            found += ["--index-strategy", "unsafe-first-match"]
        for path in self.find_links:
            found += ["--find-links", str(path)]
        return found

    def environment(self) -> dict[str, str]:
        """Return the variables that carry the credentials to uv."""
        found: dict[str, str] = {}
        for index in self.indexes:
            found.update(index.environment())
        return found

    def scrub(self, text: str) -> str:
        """Return ``text`` without any of these credentials."""
        return scrub(text, [value for index in self.servers if (value := index.password or index.username)])

    def name_of(self, url: str) -> str:
        """Return how to name the index behind ``url``: as the user gave it, without credentials."""
        for index in sorted(self.servers, key=lambda entry: -len(entry.url)):
            if url.startswith(index.url.rstrip("/")):
                return index.url
        return "uv's default index" if self.default is None else self.default.url

    def credentials_for(self, url: str) -> tuple[str, str]:
        """Return user and password for a file at ``url``; empty for a server that the user gave none for."""
        for index in self.servers:
            if (index.username or index.password) and _server(index.url) == _server(url):
                return index.username, index.password
        return "", ""


def make_sources(
    index_url: str = "",
    extra_index_urls: tuple[str, ...] = (),
    find_links: tuple[str, ...] = (),
    torch_index: str = "",
    username: str = "",
    password: str = "",
    python_mirror: str = "",
) -> Sources:
    """Check the user's options and return them as Sources.

    An address may carry its own credentials. ``username`` and ``password`` belong to the server of
    ``index_url`` (without one, of the first extra index, else of the PyTorch index), and to every other index
    on that same server; they are sent nowhere else.
    Raises Problem ("lock.index-url", "lock.find-links", "lock.python-mirror", "lock.credentials").
    """
    default = _index("whisperx-main", index_url, "index_url") if index_url else None
    extra = tuple(
        _index(f"whisperx-extra-{number}", url, "extra_index_urls")
        for number, url in enumerate(extra_index_urls, 1)
    )
    torch = _torch_index(torch_index) if torch_index else None
    python = _python_mirror(python_mirror) if python_mirror else None
    first = next((index for index in (default, *extra, torch) if index), None)
    if (username or password) and first is None:
        raise Problem(
            "lock.credentials",
            "a user name or password is set, but no index",
            "username, password",
            "the index that they are for",
            "Set index_url, or remove the credentials.",
        )

    def signed(index: Index) -> Index:
        if first is None or index.username or index.password or _server(index.url) != _server(first.url):
            return index
        return Index(index.name, index.url, username, password)

    return Sources(
        signed(default) if default else None,
        tuple(signed(index) for index in extra),
        signed(torch) if torch else None,
        tuple(_directory(path) for path in find_links),
        signed(python) if isinstance(python, Index) else python,
    )


def scrub(text: str, secrets: list[str]) -> str:
    """Return ``text`` with the user part of every address and each of ``secrets`` blanked out."""
    text = _USERINFO.sub(r"\g<scheme>", text)
    spellings = {form for secret in secrets for form in (secret, quote(secret, safe=""), quote(secret))}
    for secret in sorted(spellings, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, _HIDDEN)
    return text


def _index(name: str, url: str, option: str) -> Index:
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname)
        known = known or (parts.scheme == "file" and parts.path.startswith("/"))
        username, password = unquote(parts.username or ""), unquote(parts.password or "")
        netloc = parts.netloc.rpartition("@")[2]
        # Of what is no number, the port raises ValueError.
        known = known and parts.port != 0
    except ValueError:
        known = False
    if not known:
        # The address itself is not shown: where its parts cannot be told apart, a password may be anywhere.
        raise Problem(
            "lock.index-url",
            "an index address is not understood",
            option,
            "https://HOST/PATH, http://… or file:///…, with special characters of a password as %XX",
            f"Correct {option}.",
        )
    return Index(name, urlunsplit((parts.scheme, netloc, parts.path, parts.query, "")), username, password)


def _torch_index(url: str) -> Index:
    index = _index("whisperx-torch", url, "torch_index")
    base, _slash, last = index.url.rstrip("/").rpartition("/")
    if _BUILD.fullmatch(last):
        raise Problem(
            "lock.index-url",
            f"torch_index ends with a build, {last}",
            "torch_index",
            "the base address of the PyTorch indexes; the build is appended to it",
            f"Set it to {base}.",
        )
    return index


def _python_mirror(place: str) -> Index | Path:
    """Return an address, or a directory; file:///… is one."""
    if place.startswith("file://"):
        place = unquote(urlsplit(place).path)
    if "://" in place:
        return _index("whisperx-python", place, "python_mirror")
    found = Path(place).expanduser()
    if not found.is_dir():
        raise Problem(
            "lock.python-mirror",
            f"no such directory: {place}",
            "whisperx_plan_python_mirror",
            "a directory on the controller, or an address, with BUILD/FILE below it",
            "Correct whisperx_plan_python_mirror, or leave it empty.",
        )
    return found.resolve()


def _directory(path: str) -> Path:
    found = Path(path).expanduser()
    if "://" in path or not found.is_dir():
        raise Problem(
            "lock.find-links",
            f"no such directory: {scrub(path, [])}",
            "find_links",
            "a directory of wheels on the controller",
            "Correct find_links; an address belongs into extra_index_urls.",
        )
    return found.resolve()


def _server(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or ""), parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
