"""The ABI gate before a switch: every shared object of a release against this host's loader and libraries."""

from __future__ import annotations

import os
from typing import Any, Dict, Mapping

from ..whisperx_abi.audit import Audit, Use, audit
from ..whisperx_problem import Problem
from ..whisperx_release.host import here
from .model import Wanted

__all__ = ["check", "needs", "use"]

_TUNABLE = "glibc.rtld.execstack=2"
# Where the plan does not tell from which glibc on executable stacks are refused, the verification finds out.
_NEVER = "9999"
_SHOWN = 3


def check(site_packages: str, needs: Mapping[str, Any], python: str = "") -> Dict[str, Any]:
    """Audit a release; return what was audited against what.

    ``needs`` is what ``needs()`` returned for its plan. With ``python``, the interpreter that loads it,
    symbols are looked at too: at a build, of which that is a small part.
    Raises Problem "env.abi" naming the first objects that will not load.
    """
    found = here()
    result = audit(
        site_packages,
        found.glibc or None,
        found.machine,
        bool(needs.get("execstack_allowed")),
        str(needs.get("execstack_refused_from") or _NEVER),
        use(site_packages, needs, os.path.realpath(python) if python else "", bool(python)),
    )
    if result.findings:
        raise _problem(result, site_packages, found.glibc)
    return {"objects": result.objects, "glibc": found.glibc, "machine": found.machine}


def needs(wanted: Wanted) -> Dict[str, Any]:
    """Return what of a plan the gate goes by; kept in the record, so that a rollback asks the same."""
    return {
        "execstack_allowed": _TUNABLE in wanted.environment.get("GLIBC_TUNABLES", ""),
        "execstack_refused_from": wanted.plan.get("execstack_refused_from") or "",
        "loader_paths": list(wanted.plan.get("loader_paths") or []) if wanted.device == "cuda" else [],
        "sonames": dict(wanted.plan.get("sonames") or {}),
        "driver": dict(wanted.plan.get("driver_advice") or {}),
    }


def use(site_packages: str, needs: Mapping[str, Any], interpreter: str = "", deep: bool = False) -> Use:
    """Return how a release is used, from what ``needs()`` noted for it.

    A record of before there were sonames in it tells not what is optional: a missing library is a note then.
    """
    names = needs.get("sonames") or {}
    optional = names.get("optional")
    return Use(
        path=tuple(os.path.join(site_packages, path) for path in needs.get("loader_paths") or ()),
        opens=tuple(names.get("opens") or ()),
        optional=None if optional is None else tuple(optional),
        interpreter=interpreter,
        deep=deep,
    )


def _problem(result: Audit, site_packages: str, glibc: str) -> Problem:
    shown = [
        "{} {} ({})".format(finding.file, finding.found, finding.rule) for finding in result.findings[:_SHOWN]
    ]
    more = len(result.findings) - len(shown)
    return Problem(
        "env.abi",
        "; ".join(shown) + ("; and {} more".format(more) if more else ""),
        site_packages,
        result.findings[0].wanted if glibc else "objects that this host's loader takes",
        result.findings[0].remedy,
    )
