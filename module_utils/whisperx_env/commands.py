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

__all__ = ["clean", "environment", "redact", "sync", "venv"]

_USERINFO = re.compile(r"(?<=://)[^/@\s]+@")
# The files of every index are pinned by hash, so it is safe to take each package from whichever index has it.
_STRATEGY = "unsafe-best-match"


def venv(uv: str, python: str, path: str) -> List[str]:
    """Create an empty environment."""
    return [uv, "venv", "--quiet", "--no-project", "--python", python, path]


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


def _indexes(sources: Sources, torch_backend: str) -> Dict[str, str]:
    """Return the variables that name the indexes and carry the credentials of the default one."""
    settings: Dict[str, str] = {}
    extra = list(sources.extra_index_urls)
    if sources.torch_index:
        extra.insert(0, sources.torch_index)
    elif torch_backend:
        settings["UV_TORCH_BACKEND"] = torch_backend
    if extra:
        settings["UV_INDEX"] = " ".join(extra)
        settings["UV_INDEX_STRATEGY"] = _STRATEGY
    if sources.index_url:
        url, username, password = _split(sources)
        settings["UV_DEFAULT_INDEX"] = "fleet=" + url
        if username:
            settings["UV_INDEX_FLEET_USERNAME"] = username
        if password:
            settings["UV_INDEX_FLEET_PASSWORD"] = password
    return settings


def _split(sources: Sources) -> Tuple[str, str, str]:
    """Take the credentials out of the default index's address; the options of their own win."""
    parts = urlsplit(sources.index_url)
    host = parts.netloc.rpartition("@")[2]
    url = urlunsplit((parts.scheme, host, parts.path, parts.query, parts.fragment))
    username = sources.username or unquote(parts.username or "")
    password = sources.password or unquote(parts.password or "")
    return url, username, password


def redact(text: str, sources: Sources) -> str:
    """Return text without the password and without the user part of any address."""
    text = _USERINFO.sub("***@", text)
    return text.replace(sources.password, "***") if sources.password else text
