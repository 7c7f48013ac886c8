"""Hosts may ask for different things in one run: the requests, each with the hosts that make it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..whisperx_problem import Problem
from .model import Request

__all__ = ["requests_by_host"]

_OPTIONS = ("packages", "runtime", "device", "remedies", "unknown")


def requests_by_host(
    hosts: Iterable[str], base: Mapping[str, Any], overrides: Mapping[str, Any]
) -> Iterator[tuple[Request, list[str]]]:
    """Yield every different request with its hosts. ``overrides``: option -> host -> value.

    Raises Problem "request.…" for an option or value that does not exist.
    """
    for option, values in overrides.items():
        if option not in _OPTIONS or not isinstance(values, Mapping):
            raise Problem(
                "request.override",
                f"{option!r} cannot differ by host",
                "requests",
                "one of " + ", ".join(_OPTIONS),
                "Leave it out",
            )
    groups: dict[str, tuple[dict[str, Any], list[str]]] = {}
    for name in hosts:
        own = {option: overrides.get(option, {}).get(name, base[option]) for option in _OPTIONS}
        key = json.dumps(own, default=str)
        groups.setdefault(key, (own, []))[1].append(name)
    for own, names in groups.values():
        yield Request.make(**own), names
