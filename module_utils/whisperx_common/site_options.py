"""The options of the modules that take files from the site: with the run, or from its wheelhouse."""

from __future__ import annotations

from typing import Any, Dict

__all__ = ["site_options"]


def site_options(named: bool) -> Dict[str, Dict[str, Any]]:
    """Return the argument spec of these options. ``named``: whether a file has a name beside its digest.

    A file's path is empty if it did not travel with the run.
    """
    name: Dict[str, Dict[str, Any]] = {"file": {"required": True}} if named else {}
    file = {"sha256": {"required": True}, **name, "path": {"type": "path", "default": ""}}
    return {
        "files": {"type": "list", "elements": "dict", "default": [], "options": file},
        "wheelhouse_url": {"default": "", "no_log": True},
    }
