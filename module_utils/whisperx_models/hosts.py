"""The models of every host of a play: what they ask for, what that means, and what they have already."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..whisperx_common.lockfile import parse as parse_lock
from ..whisperx_common.shape import fitted
from ..whisperx_fleet.images import in_containers
from ..whisperx_fleet.variables import Fleet, at
from ..whisperx_models_host.listing import SHAPE
from ..whisperx_models_host.model import want
from ..whisperx_models_host.run import predicted
from ..whisperx_problem import Problem
from . import local
from .lock import ModelsLock
from .manifest import contents, manifest, unlocked
from .request import Request, read
from .rows import Rows
from .source import read as read_source

__all__ = [
    "LISTING",
    "VARIABLE",
    "Hosts",
    "known_listing",
    "missing_files",
    "prediction",
    "read_hosts",
    "read_requests",
]

VARIABLE = "whisperx_models"
IN_IMAGE = "whisperx_models_in_image"
# Where the listing lies that came with the facts of a host.
LISTING = ("__whisperx_host_read", "models")


@dataclass(frozen=True)
class Hosts:
    """``requests`` and ``classes`` by host; ``versions``: class to its packages.

    ``listed``: the models of all hosts of the inventory, "whisper base", also of those that take no part.
    ``raw``: the requests as the inventory has them. ``in_image``: hosts whose models are in their image.
    """

    requests: Mapping[str, tuple[Request, ...]]
    classes: Mapping[str, str]
    versions: Mapping[str, Mapping[str, str]]
    listed: frozenset[str] = frozenset()
    raw: Mapping[str, Any] = field(default_factory=dict)
    in_image: frozenset[str] = frozenset()

    def wants(self) -> list[dict[str, Any]]:
        """Return each class with each list of models that its hosts have, once."""
        found: dict[str, dict[str, Any]] = {}
        for host, asked in self.requests.items():
            if asked:
                entry = {"class": self.classes[host], "models": [dict(one) for one in self.raw[host]]}
                found.setdefault(json.dumps(entry, sort_keys=True, default=str), entry)
        return list(found.values())

    def unlocked(self, lock: ModelsLock, rows: Rows) -> list[Request]:
        """Return what the lock does not cover, or what a directory has other files of than were locked.

        Raises Problem "models.changed" for the latter.
        """
        found: dict[str, Request] = {}
        for host, asked in self.requests.items():
            for one in unlocked(lock, asked, self.versions[self.classes[host]]):
                found.setdefault(one.label, one)
        if not found:
            self._check_directories(lock, rows)
        return list(found.values())

    def _check_directories(self, lock: ModelsLock, rows: Rows) -> None:
        locked = {(one.kind, one.name): one.sources[0] for one in lock.names.values()}
        for one in {each for asked in self.requests.values() for each in asked if each.path}:
            source = locked[one.kind, one.name]
            model = lock.models.get((source, one.revision))
            part = rows.part(read_source(source).part)
            if model is None or read_source(source).origin != "hub":
                continue
            if local.changed(one.path, one.label, part, model.files):
                raise Problem(
                    "models.changed",
                    f"the directory of {one.label} has other files than the locked ones",
                    one.path,
                    "the files of locks/models.txt",
                    "Set another revision there, or whisperx_plan_state=upgrade; else restore them.",
                )

    def sets(self, lock: ModelsLock) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
        """Return set to manifest, and host to its set, "" for the empty one."""
        found: dict[str, dict[str, Any]] = {}
        chosen: dict[str, str] = {}
        made: dict[tuple[str, tuple[Request, ...]], str] = {}
        for host, requests in self.requests.items():
            asked = () if host in self.in_image else requests
            key = (self.classes[host], asked)
            if key not in made:
                value = manifest(lock, asked, self.versions[self.classes[host]])
                made[key] = want(value).identity
                found[made[key]] = value
            chosen[host] = made[key]
        return found, chosen

    def images(self, lock: ModelsLock) -> dict[str, dict[str, Any]]:
        """Return class to the manifest of its image: what any host asks for that has its models there.

        Raises Problem "models.conflict".
        """
        asked: dict[str, dict[str, Request]] = {}
        for host in sorted(self.in_image):
            of_class = asked.setdefault(self.classes[host], {})
            for one in self.requests[host]:
                if of_class.setdefault(one.label, one) != one:
                    raise _two_of_a_name(one, self.classes[host])
        return {
            name: manifest(lock, tuple(requests.values()), self.versions[name])
            for name, requests in sorted(asked.items())
            if requests
        }


def read_hosts(
    fleet: Fleet,
    variables: Mapping[str, Any],
    inventory: list[str],
    models: Any = None,
    in_image: Any = False,
) -> Hosts:
    """Return what the hosts of the batch ask for that have a plan and a lock.

    ``models``, ``in_image``: the values that the task has, for the host that it runs for. They are every
    host's where that host has none of its own: what a play sets is no variable of a host. Raises Problem
    "models.request".
    """
    usual = _usual(fleet, variables, models)
    plans = at(variables, ("__whisperx_plan", "hosts")) or {}
    locks = at(variables, ("__whisperx_lock", "locks")) or {}
    classes = {
        host: str(plans[host]["class"])
        for host in fleet.batch
        if at(plans, (host, "verdict")) == "plan" and plans[host].get("class") in locks
    }
    raw = fleet.setting(VARIABLE, usual, classes)
    requests = {host: read(raw[host] or [], host) for host in classes}
    inside = fleet.setting(IN_IMAGE, in_image, classes)
    held = frozenset(host for host in in_containers(plans, classes) if _truth(inside[host]))
    if not any(requests.values()):
        return Hosts(requests, classes, {name: {} for name in classes.values()}, raw=raw)
    others = fleet.setting(VARIABLE, usual, inventory)
    listed = {one.label for host in inventory for one in _asked(others[host], host)}
    versions = {name: parse_lock(locks[name]["text"]).versions for name in sorted(set(classes.values()))}
    listed |= {one.label for asked in requests.values() for one in asked}
    return Hosts(requests, classes, versions, frozenset(listed), raw, held)


def read_requests(
    fleet: Fleet, variables: Mapping[str, Any], models: Any = None
) -> dict[str, tuple[Request, ...]]:
    """Return what the hosts of the batch ask for that have a plan; nothing has to be locked.

    ``models`` as for `read_hosts`. Raises Problem "models.request".
    """
    plans = at(variables, ("__whisperx_plan", "hosts")) or {}
    planned = [host for host in fleet.batch if at(plans, (host, "verdict")) == "plan"]
    raw = fleet.setting(VARIABLE, _usual(fleet, variables, models), planned)
    return {host: read(raw[host] or [], host) for host in planned}


def known_listing(value: Any, options: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the listing of a store as a host sent it, in its shape; None where it is of another place."""
    if not isinstance(value, Mapping) or value.get("problem"):
        return None
    listing: dict[str, Any] = {name: fitted(value.get(name), like) for name, like in SHAPE.items()}
    listing["models"] = {str(key): str(one) for key, one in listing["models"].items()}
    asked = (str(options.get("dir") or "/opt/whisperx/models").rstrip("/"), int(options.get("keep") or 1))
    if (listing["dir"], int(listing["keep"])) != asked:
        return None
    if _truth(options.get("hashes")) and not listing["hashes"]:
        return None
    return listing


def prediction(value: Any, options: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the module says in check mode, from a host's listing; None where it has to be asked."""
    listing = known_listing(value, options)
    if listing is None or listing["doubtful"]:
        return None
    return predicted(listing, want(dict(wanted)))


def missing_files(
    fleet: Fleet, sets: Mapping[str, Mapping[str, Any]], chosen: Mapping[str, str]
) -> dict[str, int]:
    """Return the files (SHA-256 to size) that some host does not have; of a host without a listing all."""
    found: dict[str, int] = {}
    known = fleet.recorded(".".join(LISTING), chosen)
    for host, identity in chosen.items():
        listing = known.get(host)
        there = set(fitted(listing.get("files"), [""])) if isinstance(listing, Mapping) else set()
        files = contents(sets.get(identity) or {"models": []})
        found |= {name: size for name, size in files.items() if name not in there}
    return found


def _usual(fleet: Fleet, variables: Mapping[str, Any], models: Any) -> Any:
    """Return the models of hosts without a variable of their own."""
    own = VARIABLE in fleet.raw(str(variables.get("inventory_hostname")))
    return [] if own or models is None else models


def _asked(value: Any, host: str) -> tuple[Request, ...]:
    """Return the models of a host that may take no part; what is wrong there is reported when it does."""
    try:
        return read(value or [], host)
    except Problem:
        return ()


def _two_of_a_name(request: Request, name: str) -> Problem:
    return Problem(
        "models.conflict",
        f"{request.label} is wanted with two revisions or paths by hosts of class {name}",
        IN_IMAGE,
        "one revision of a model in an image, which all hosts of a class have",
        "Give the entries of these hosts the same revision and path, or set whisperx_models_in_image: false.",
    )


def _truth(value: Any) -> bool:
    return str(value).strip().lower() in ("true", "yes", "on", "1")
