"""Hosts may ask for different things in one run: the requests, each with the hosts that make it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Any

from ..whisperx_problem import Problem
from .model import Request

__all__ = ["OPTIONS", "requests_by_host"]

OPTIONS = (
    "packages",
    "runtime",
    "device",
    "remedies",
    "unknown",
    "interpreters",
    "container_base",
    "container_root",
    "container_facts",
    "container_engine",
    "container_install",
    "gpus",
    "extras",
    "wheels",
)


def _nothing(root: str) -> Mapping[str, Any]:
    return {}


def requests_by_host(
    hosts: Iterable[str],
    base: Mapping[str, Any],
    overrides: Mapping[str, Any],
    probe: Callable[[str], Mapping[str, Any]] = _nothing,
) -> Iterator[tuple[Request, list[str]]]:
    """Yield every different request with its hosts. ``overrides``: option -> host -> value. ``probe`` reads
    the facts of a root file system.

    Raises Problem "request.…" for an option or value that does not exist.
    """
    for option, values in overrides.items():
        if option not in OPTIONS or not isinstance(values, Mapping):
            raise Problem(
                "request.override",
                f"{option!r} cannot differ by host",
                "requests",
                "one of " + ", ".join(OPTIONS),
                "Leave it out",
            )
    groups: dict[str, tuple[dict[str, Any], list[str]]] = {}
    for name in hosts:
        own = {
            option: overrides.get(option, {}).get(name, base.get(option))
            for option in OPTIONS
            if option in base or option in overrides
        }
        key = json.dumps(own, default=str)
        groups.setdefault(key, (own, []))[1].append(name)
    for own, names in groups.values():
        yield Request.make(**_with_facts(own, probe)), names


def _with_facts(own: dict[str, Any], probe: Callable[[str], Mapping[str, Any]]) -> dict[str, Any]:
    """Return the options with a root file system turned into its name and facts, described ones on top."""
    root = str(own.pop("container_root", None) or "")
    if not root or own.get("runtime") == "venv":
        return own
    described = own.get("container_facts") or {}
    return {
        **own,
        "container_base": own.get("container_base") or PurePath(root).name,
        "container_facts": {**probe(root), **described},
    }
