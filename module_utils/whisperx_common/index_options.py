"""The options of the modules that fetch packages: where indexes are, and who may ask them."""

from __future__ import annotations

from typing import Any, Dict, Mapping

__all__ = ["index_options", "index_values"]

_TEXTS = ("index_url", "torch_index", "username", "password")
_LISTS = ("extra_index_urls", "find_links")


def index_options(find_links: str = "path") -> Dict[str, Dict[str, Any]]:
    """Return the argument spec of these options. ``find_links``: the type of its elements, "path" or "str"
    where pages are meant too, "" for a module that takes no directories.
    """
    spec: Dict[str, Dict[str, Any]] = {
        "index_url": {"type": "str"},
        "extra_index_urls": {"type": "list", "elements": "str", "default": []},
        "find_links": {"type": "list", "elements": find_links, "default": []},
        "torch_index": {"type": "str"},
        "username": {"type": "str"},
        "password": {"type": "str", "no_log": True},
    }
    return spec if find_links else {name: row for name, row in spec.items() if name != "find_links"}


def index_values(options: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the values of these options as `Sources` take them: a missing text is "", a missing list ()."""
    values: Dict[str, Any] = {name: options.get(name) or "" for name in _TEXTS}
    return {**values, **{name: tuple(options.get(name) or ()) for name in _LISTS}}
