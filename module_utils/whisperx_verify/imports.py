"""Level import: every top package of the set, imported for real."""

from __future__ import annotations

from importlib import import_module, metadata
from typing import Callable, Sequence

from .records import Module
from .reporter import Reporter

__all__ = ["check"]


def check(reporter: Reporter, wanted: Sequence[Module]) -> None:
    """Import each of ``wanted``, each one a step of its own."""
    for item in wanted:
        reporter.step("import " + item.module, _importer(item), optional=item.optional)


def _importer(item: Module) -> Callable[[], str]:
    def action() -> str:
        import_module(item.module)
        return f"{item.package} {_version(item.package)}"

    return action


def _version(package: str) -> str:
    """Return the installed version of the distribution, or "" when its metadata is not there."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
