"""dnf's own configuration, and what of it keeps dnf from calling a plugin. Source: dnf.conf(5) of dnf 4."""

from __future__ import annotations

import configparser
import os
from typing import Dict, Sequence

from ..whisperx_common.files import read_text

__all__ = ["hindrance", "settings"]

CONF = "/etc/dnf/dnf.conf"
# Where dnf looks for the settings of one plugin, by its file's name.
OWN = "/etc/dnf/plugins/whisperx_guard.conf"
_OFF = ("0", "no", "false", "off", "never", "disabled")


def hindrance(plugins: Sequence[str], base: str = "/") -> str:
    """Return which setting keeps dnf from calling ``plugins``, paths of one plugin's file, "" for none."""
    main, own = _read(base, CONF), _read(base, OWN)
    for place, option, found in ((CONF, "plugins", main), (OWN, "enabled", own)):
        value = found.get(option, "1")
        if value.lower() in _OFF:
            return "{} = {} in {}".format(option, value, place)
    named = main.get("pluginpath", "").replace(",", " ").split()
    directories = {"/" + os.path.relpath(os.path.dirname(path), base) for path in plugins}
    if named and not directories & {os.path.normpath(path) for path in named}:
        return "pluginpath = {} in {}, without {}".format(" ".join(named), CONF, sorted(directories)[0])
    return ""


def settings(text: str) -> Dict[str, str]:
    """Return the options of the section main of one of dnf's files. Raises configparser.Error."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read_string(text)
    return {name: value.strip() for name, value in parser["main"].items()} if "main" in parser else {}


def _read(base: str, place: str) -> Dict[str, str]:
    """Return the options of a file, none where dnf would not read it either."""
    try:
        return settings(read_text(os.path.join(base, place.lstrip("/"))) or "")
    except configparser.Error:
        return {}
