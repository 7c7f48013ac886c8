"""The interpreters that a plan may use: those of the host, and standalone builds that it would install."""

from __future__ import annotations

from ..whisperx_catalogue.catalogue import Catalogue
from ..whisperx_catalogue.interpreter_rows import Standalone
from ..whisperx_catalogue.rows import Distro
from ..whisperx_common.versions import Numbers, dotted, strict_numbers
from .case import Case
from .findings import Finding, finding
from .host import Interpreter
from .model import MANAGED

__all__ = [
    "Usable",
    "distutils_package",
    "lacks_distutils",
    "managed_pythons",
    "name_of",
    "unusual_layout",
    "usable_of",
    "usable_pythons",
]

# Interpreters to try, the newest first, and those that are ruled out with what was found.
Usable = tuple[list[Interpreter], tuple[tuple[Interpreter, Finding], ...]]


def usable_of(case: Case, source: str) -> Usable:
    """Return what one source of interpreters, "system" or "managed", has for a host."""
    return managed_pythons(case) if source == MANAGED else usable_pythons(case)


def name_of(python: Interpreter) -> str:
    """Return the interpreter for sentences: "Python 3.13 (/usr/bin/python3.13)"."""
    return f"Python {dotted(python.minor)} ({python.path or MANAGED})"


def usable_pythons(case: Case) -> Usable:
    """Return one interpreter of the host per minor version, and those ruled out as such with what was
    found.
    """
    catalogue = case.catalogue
    reserved = tuple(catalogue.threshold("python.platform", "paths"))
    stores = tuple(catalogue.threshold("libc.layout", "stores"))
    systems = catalogue.threshold("libc.layout", "systems")
    refused: list[tuple[Interpreter, Finding]] = []
    best: dict[tuple[int, ...], Interpreter] = {}
    for python in sorted(case.host.pythons, key=_preference):
        if python.path.startswith(reserved):
            refused.append((python, finding("python.platform", python.path)))
        elif python.path.startswith(stores) and case.host.os_id not in systems:
            refused.append((python, finding("libc.layout", python.path, system=python.path)))
        elif python.foreign:
            refused.append((python, finding("python.foreign", python.foreign, kind=python.foreign)))
        elif python.weakness is not None:
            refused.append((python, finding("python.untrusted", f"{python.path}: {python.weakness}")))
        elif not python.shared:
            refused.append((python, finding("python.private", python.path)))
        elif lacks_distutils(python, catalogue) and distutils_package(python, case.distro) is None:
            refused.append(
                (
                    python,
                    finding(
                        "python.distutils",
                        "no distutils",
                        before=str(catalogue.threshold("python.distutils", "before")),
                    ),
                )
            )
        else:
            best.setdefault(python.minor, python)
    return [best[minor] for minor in sorted(best, reverse=True)], tuple(refused)


def managed_pythons(case: Case) -> Usable:
    """Return one standalone build per minor version, its newest patch that the C library of the host runs.

    Ruled out is what would serve the machine but for its C library; of a machine without any, one finding.
    """
    host = case.host
    rows = [row for row in case.catalogue.rows.standalone if row.machine == host.machine]
    best: dict[Numbers, Standalone] = {}
    newest: dict[Numbers, Standalone] = {}
    for row in sorted(rows, key=lambda row: (row.version, row.build, row.sha256), reverse=True):
        if row.libc[0] != host.libc_family:
            continue
        newest.setdefault(row.version[:2], row)
        if host.libc_version is not None and row.libc[1] <= host.libc_version:
            best.setdefault(row.version[:2], row)
    refused = [
        (
            _interpreter(row),
            finding("python.managed-libc", host.libc, libc=f"{row.libc[0]} {dotted(row.libc[1])}"),
        )
        for minor, row in sorted(newest.items(), reverse=True)
        if minor not in best
    ]
    if not newest:
        nothing = Interpreter("", (0, 0))
        words = {"machine": host.machine or "?", "libc": host.libc}
        refused.append((nothing, finding("python.managed-none", host.libc, **words)))
    return [_interpreter(best[minor]) for minor in sorted(best, reverse=True)], tuple(refused)


def _interpreter(row: Standalone) -> Interpreter:
    return Interpreter("", row.version, archive=row)


def unusual_layout(case: Case) -> Finding | None:
    """Say that wheels find no libraries on the host, whichever Python they are for."""
    system = case.host.os_id or ""
    known = case.catalogue.threshold("libc.layout", "systems")
    return finding("libc.layout", system, system=system) if system in known else None


def lacks_distutils(python: Interpreter, catalogue: Catalogue) -> bool:
    """Say whether an interpreter lacks distutils and is so old that the installer asks it for that."""
    before = strict_numbers(str(catalogue.threshold("python.distutils", "before"))) or ()
    return not python.distutils and python.minor < before


def distutils_package(python: Interpreter, distro: Distro | None) -> str | None:
    """Return the distribution's package that completes its own interpreter, if there is one."""
    own = python.path.startswith("/usr/bin/") and distro is not None and distro.python == python.minor
    return distro.distutils if own and distro is not None else None


def _preference(python: Interpreter) -> tuple[int, tuple[int, ...], str]:
    """The distribution's own first, then the newest patch release."""
    places = ("/usr/bin/", "/usr/local/bin/")
    place = next(
        (number for number, prefix in enumerate(places) if python.path.startswith(prefix)), len(places)
    )
    return place, tuple(-part for part in python.version), python.path
