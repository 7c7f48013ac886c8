"""Is what is asked for known at all, and asked for in the right place?"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from ..whisperx_catalogue.catalogue import Catalogue, with_release
from ..whisperx_catalogue.release import specifier
from ..whisperx_libraries import InvalidVersion, Version
from .findings import Finding, finding
from .model import Request

__all__ = ["exact_version", "misplaced", "prepare", "unknown_versions"]


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
    """
    if request.unknown == "gate":
        for name, text in unknown_versions(request, catalogue).items():
            pinned = exact_version(text)
            if pinned is not None:
                catalogue = with_release(catalogue, name, pinned)
    return catalogue


def misplaced(request: Request, catalogue: Catalogue) -> Iterator[tuple[str, Finding]]:
    """Yield what no host can be given: packages that nobody knows, and extras that belong to the set."""
    for name in request.packages:
        if name not in catalogue.packages:
            close = difflib.get_close_matches(name, sorted(catalogue.packages), 3)
            hint = f"Did you mean {' or '.join(close)}? " if close else ""
            count = str(len(catalogue.packages))
            yield name, finding("request.unknown-package", name, package=name, hint=hint, count=count)
    for name, text in request.extras.items():
        if name in catalogue.packages:
            yield name, finding("request.extra-catalogued", name, package=name, specifier=text)


def unknown_versions(request: Request, catalogue: Catalogue) -> dict[str, str]:
    """Return the requested packages of which the catalogue has no release in the range asked for; those that
    it does not have at all are left out.
    """
    return {
        name: text
        for name, text in request.packages.items()
        if name in catalogue.packages and not catalogue.packages[name].mask(text)
    }
