"""The only place that spells uv's arguments and environment.

Settings go by environment, so that no argument list ever shows an index with its credentials. Nothing of the
host's own uv configuration counts: a lock says what is installed, the run's options say from where.
Source of the names: `uv help pip sync` and uv's reference of environment variables, 0.13.
"""

from __future__ import annotations

import re
from typing import Dict, List, Mapping, Tuple
from urllib.parse import unquote, urlsplit, urlunsplit

from .model import Sources

__all__ = ["alone", "clean", "environment", "python", "redact", "sync", "venv"]

_USERINFO = re.compile(r"(?<=://)[^/@\s]+@")
# As with pip, an index need not carry everything. Files are pinned by hash, so asking the next one is safe.
_STRATEGY = "unsafe-first-match"


def venv(uv: str, python: str, path: str) -> List[str]:
    """Create an empty environment."""
    return [uv, "venv", "--quiet", "--no-project", "--no-python-downloads", "--python", python, path]


def python(uv: str, key: str, downloads: str, directory: str) -> List[str]:
    """Unpack the Python that a list of downloads has under ``key``; nowhere else is anything of it left."""
    where = ["--install-dir", directory, "--python-downloads-json-url", downloads]
    return [uv, "python", "install", "--quiet", "--offline", "--no-bin", "--compile-bytecode", *where, key]


def sync(uv: str, python: str, requirements: str) -> List[str]:
    """Install exactly what a lock lists into the environment whose interpreter is ``python``."""
    return [uv, "pip", "sync", "--require-hashes", "--no-build", "--python", python, requirements]


def clean(uv: str, names: List[str]) -> List[str]:
    """Forget the downloads of some packages."""
    return [uv, "cache", "clean", "--quiet", *names]


def environment(
    sources: Sources, cache: str, torch_backend: str, local: Tuple[str, ...], inherited: Mapping[str, str]
) -> Dict[str, str]:
    """Return the whole environment uv runs in.

    ``local`` are directories with wheels that came with the run. Of ``inherited`` everything stays (proxies,
    certificates, netrc) but uv's own variables and what would bend its interpreter.
    """
    settings = {
        key: value
        for key, value in inherited.items()
        if not key.startswith(("UV_", "PYTHON", "LD_")) and key not in ("VIRTUAL_ENV", "CONDA_PREFIX")
    }
    settings.update(
        {
            "UV_CACHE_DIR": cache,
            "UV_NO_CONFIG": "1",
            "UV_NO_PROGRESS": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_SYSTEM_CERTS": "1",
            "UV_HTTP_TIMEOUT": inherited.get("UV_HTTP_TIMEOUT", "60"),
            "NO_COLOR": "1",
        }
    )
    settings.update(_indexes(sources, torch_backend))
    links = [link for link in (*local, *sources.find_links) if link]
    if links:
        settings["UV_FIND_LINKS"] = ",".join(links)
    if sources.offline:
        settings["UV_OFFLINE"] = "1"
    return settings


def alone(cache: str, inherited: Mapping[str, str]) -> Dict[str, str]:
    """Return the environment in which uv unpacks a Python: it must not name where others are."""
    settings = environment(Sources(offline=True), cache, "", (), inherited)
    return {**settings, "UV_PYTHON_DOWNLOADS": "manual"}


def _indexes(sources: Sources, torch_backend: str) -> Dict[str, str]:
    """Return the variables that name the indexes, and those that carry the credentials of each."""
    settings: Dict[str, str] = {}
    named = [("TORCH", _mirror(sources.torch_index, torch_backend))]
    named += [("EXTRA{}".format(number), url) for number, url in enumerate(sources.extra_index_urls, 1)]
    named = [(name, url) for name, url in named if url]
    if torch_backend and not sources.torch_index:
        settings["UV_TORCH_BACKEND"] = torch_backend
    if named:
        settings["UV_INDEX"] = " ".join("{}={}".format(name, _bare(url)) for name, url in named)
        settings["UV_INDEX_STRATEGY"] = _STRATEGY
    if sources.index_url:
        settings["UV_DEFAULT_INDEX"] = "MAIN={}".format(_bare(sources.index_url))
        named.insert(0, ("MAIN", sources.index_url))
    first = _server(named[0][1]) if named else ""
    for name, url in named:
        username, password = _userinfo(url)
        if not username and not password and _server(url) == first:
            username, password = sources.username, sources.password
        if username:
            settings["UV_INDEX_{}_USERNAME".format(name)] = username
        if password:
            settings["UV_INDEX_{}_PASSWORD".format(name)] = password
    return settings


def _mirror(base: str, build: str) -> str:
    """Return the address of one build's index on a mirror of the PyTorch indexes, "" without either."""
    return "{}/{}".format(base.rstrip("/"), build) if base and build else ""


def _bare(url: str) -> str:
    """Return an address without credentials."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _userinfo(url: str) -> Tuple[str, str]:
    parts = urlsplit(url)
    return unquote(parts.username or ""), unquote(parts.password or "")


def _server(url: str) -> str:
    parts = urlsplit(url)
    return "{}://{}".format(parts.scheme, parts.netloc.rpartition("@")[2])


def redact(text: str, sources: Sources) -> str:
    """Return text without the password and without the user part of any address."""
    text = _USERINFO.sub("***@", text)
    return text.replace(sources.password, "***") if sources.password else text
