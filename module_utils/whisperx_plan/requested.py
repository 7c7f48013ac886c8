"""Is what is asked for known at all? Checked once per run, before any host."""

from __future__ import annotations

import difflib

from packaging.version import InvalidVersion, Version

from ..whisperx_catalogue.catalogue import Catalogue, with_release
from ..whisperx_catalogue.release import specifier
from ..whisperx_problem import Problem
from .model import Request

__all__ = ["exact_version", "prepare", "unknown_versions"]


def exact_version(text: str) -> str | None:
    """Return the version that a specifier pins exactly, else None."""
    for part in specifier(text):
        if part.operator in ("==", "===") and not part.version.endswith("*"):
            try:
                return str(Version(part.version))
            except InvalidVersion:
                return None
    return None


def prepare(request: Request, catalogue: Catalogue) -> Catalogue:
    """Return the catalogue to decide with: under "gate", a version pinned exactly and unknown is let in as
    a guess.

    Raises Problem "request.unknown-package".
    """
    for name in request.packages:
        if name not in catalogue.packages:
            close = difflib.get_close_matches(name, sorted(catalogue.packages), 3)
            hint = f"Did you mean {' or '.join(close)}?" if close else "Ask for one that is catalogued"
            raise Problem(
                "request.unknown-package",
                f"the package {name} is not in the catalogue",
                "whisperx_plan_packages",
                "one of " + ", ".join(sorted(catalogue.packages)),
                hint,
            )
    if request.unknown == "gate":
        for name, text in unknown_versions(request, catalogue).items():
            pinned = exact_version(text)
            if pinned is not None:
                catalogue = with_release(catalogue, name, pinned)
    return catalogue


def unknown_versions(request: Request, catalogue: Catalogue) -> dict[str, str]:
    """Return the requested packages of which the catalogue has no release in the range asked for."""
    return {name: text for name, text in request.packages.items() if not catalogue.packages[name].mask(text)}
