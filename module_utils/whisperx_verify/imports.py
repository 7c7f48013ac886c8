"""Level import: every top package of the set, imported for real."""

from __future__ import annotations

import re
from importlib import import_module, metadata
from typing import Callable, List, Sequence, Set

from .records import Module
from .reporter import Reporter

__all__ = ["check", "foundations_first"]


def check(reporter: Reporter, wanted: Sequence[Module]) -> None:
    """Import each of ``wanted``, each one a step of its own."""
    for item in wanted:
        reporter.step("import " + item.module, _importer(item), optional=item.optional)


def foundations_first(wanted: Sequence[Module]) -> List[Module]:
    """Return ``wanted`` with every package behind those it requires, by the metadata of what is installed.

    So the package that is named when something breaks is the one that is broken, not one that imports it.
    """
    waiting = list(wanted)
    required = {item.package: _required(item.package) for item in waiting}
    ordered: List[Module] = []
    while waiting:
        names = {_normal(item.package) for item in waiting}
        ready = [item for item in waiting if not required[item.package] & names]
        # A circle of requirements is as good in one order as in another.
        ordered += ready or waiting[:1]
        waiting = [item for item in waiting if item not in ordered]
    return ordered


def _required(package: str) -> Set[str]:
    """Return the normalised names of what ``package`` requires, extras left out."""
    try:
        lines = metadata.requires(package) or []
    except metadata.PackageNotFoundError:
        return set()
    names = (re.match(r"[A-Za-z0-9._-]+", line) for line in lines if "extra ==" not in line)
    return {_normal(name.group()) for name in names if name} - {_normal(package)}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _importer(item: Module) -> Callable[[], str]:
    def action() -> str:
        import_module(item.module)
        return f"{item.package} {_version(item.package)}".strip()

    return action


def _version(package: str) -> str:
    """Return the installed version of the distribution, or "" when its metadata is not there."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
