"""The services of hosts: as rows of the record, as sentences for people, and counted over a fleet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..whisperx_common.wording import named

__all__ = ["counts", "rows", "sentence"]

# Of many hosts with one ill service, so many names.
_NAMES = 3


def rows(found: Sequence[Mapping[str, Any]], untouched: bool) -> list[dict[str, Any]]:
    """Return the services of a host. ``untouched``: what its module said of restarts is a prediction."""
    return [
        {
            **{key: str(one.get(key) or "") for key in ("name", "state", "release")},
            "healthy": one.get("healthy") is True,
            "restarted": one.get("restarted") is True and not untouched,
        }
        for one in found
        if one.get("name")
    ]


def sentence(one: Mapping[str, Any], check: bool) -> str:
    """Return a service as a sentence: `wyoming: active, healthy, restarted, release a`."""
    parts = [one["state"] or "unknown", "healthy" if one["healthy"] else "not healthy"]
    if one["restarted"]:
        parts.append("would restart" if check else "restarted")
    if one["release"]:
        parts.append(f"release {one['release']}")
    return f"{one['name']}: {', '.join(parts)}"


def counts(hosts: Mapping[str, Mapping[str, Any]], check: bool) -> Iterator[str]:
    """Yield how the services of many hosts are, nothing where there are none."""
    every = [(host, one) for host, row in hosts.items() for one in row["services"]]
    if not every:
        return
    healthy = sum(one["healthy"] for _name, one in every)
    restarted = sum(one["restarted"] for _name, one in every)
    more = f", {restarted} {'would restart' if check else 'restarted'}" if restarted else ""
    yield f"services: {healthy} of {len(every)} healthy{more}"
    ill: dict[str, list[str]] = {}
    for host, one in every:
        if not one["healthy"]:
            ill.setdefault(one["name"], []).append(host)
    for name, where in sorted(ill.items()):
        yield f"service {name}: not healthy on {len(where)} ({named(where, _NAMES)})"
