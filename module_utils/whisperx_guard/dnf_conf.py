"""What of dnf's own configuration keeps it from calling a plugin. Source: dnf.conf(5) of dnf 4."""

from __future__ import annotations

import configparser
import os
from typing import Sequence

from ..whisperx_common.files import read_text

__all__ = ["hindrance"]

CONF = "/etc/dnf/dnf.conf"
# Where dnf looks for the settings of one plugin, by its file's name.
OWN = "/etc/dnf/plugins/whisperx_guard.conf"
_OFF = ("0", "no", "false", "off", "never", "disabled")


def hindrance(plugins: Sequence[str], base: str = "/") -> str:
    """Return which setting keeps dnf from calling ``plugins``, paths of one plugin's file, "" for none."""
    for place, option in ((CONF, "plugins"), (OWN, "enabled")):
        if _value(base, place, option, "1").lower() in _OFF:
            return "{} = {} in {}".format(option, _value(base, place, option), place)
    named = _value(base, CONF, "pluginpath").replace(",", " ").split()
    directories = {"/" + os.path.relpath(os.path.dirname(path), base) for path in plugins}
    if named and not directories & {os.path.normpath(path) for path in named}:
        return "pluginpath = {} in {}, without {}".format(" ".join(named), CONF, sorted(directories)[0])
    return ""


def _value(base: str, place: str, option: str, default: str = "") -> str:
    """Return an option of the section main, the default where dnf would not read it either."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(read_text(os.path.join(base, place.lstrip("/"))) or "")
        return parser.get("main", option, fallback=default).strip()
    except configparser.Error:
        return default
