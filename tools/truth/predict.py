"""What the planner says of a combination: good or bad, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from module_utils.whisperx_catalogue.catalogue import Catalogue
from module_utils.whisperx_catalogue.rows import Distro
from module_utils.whisperx_common.versions import dotted
from module_utils.whisperx_plan.decide import decide
from module_utils.whisperx_plan.model import Request
from module_utils.whisperx_problem import Problem

from .rows import FFMPEG, Combination

__all__ = ["Prediction", "describe", "own_python", "plan_for", "predict"]


@dataclass(frozen=True)
class Prediction:
    """``why``: the first reason, "" for a plan. ``rule`` is its id."""

    good: bool
    rule: str = ""
    why: str = ""


def describe(suite: str, python: str, catalogue: Catalogue) -> dict[str, Any]:
    """Return the facts of a host of a suite with one interpreter, by the row of its distribution.

    Raises Problem "truth.suite" for a suite without a row.
    """
    row = _distro(suite, catalogue)
    has = {"path": "/usr/bin/ffmpeg", "libavutil": [row.libavutil]} if suite.endswith(FFMPEG) else None
    return {
        "schema": 1,
        "os": {"id": row.id, "version": row.version, "codename": row.codename},
        "libc": {"family": row.libc[0], "version": dotted(row.libc[1] or ())},
        "machine": "x86_64",
        "pythons": [{"path": f"/usr/bin/python{python}", "version": python}],
        "ffmpeg": has,
    }


def own_python(suite: str, catalogue: Catalogue) -> str:
    """Return the version of the suite's own Python. Raises Problem "truth.suite"."""
    return dotted(_distro(suite, catalogue).python or ())


def _distro(suite: str, catalogue: Catalogue) -> Distro:
    for row in catalogue.rows.distros:
        if row.codename == suite.removesuffix(FFMPEG):
            return row
    raise Problem("truth.suite", f"no row for {suite}", "distros.yml", "a row per suite", "Add the row")


def plan_for(combination: Combination, pins: Mapping[str, str], catalogue: Catalogue) -> dict[str, Any]:
    """Return the plan or refusal for exactly ``pins``. Nothing may be repaired or tuned to make it work."""
    facts = describe(combination.suite, combination.python, catalogue)
    request = Request.make(pins, runtime="venv", device="cpu", remedies=["upgrade"])
    return decide({"host": facts}, request, catalogue).hosts["host"]


def predict(combination: Combination, installed: Mapping[str, str], catalogue: Catalogue) -> Prediction:
    """Say whether a combination works.

    ``installed`` is what an installer made of it, package to version, empty where it could not: then only the
    combination's own pins can be asked about. A set or host that lacks what the planner would add is bad.
    """
    parts = tuple(prefix for prefix, _ in catalogue.rows.build_parts)
    exact = {
        name: f"=={version}"
        for name, version in installed.items()
        if name in catalogue.packages and not name.startswith(parts)
    }
    record = plan_for(combination, {**combination.pins, **exact}, catalogue)
    if record["verdict"] != "plan":
        reasons = record["reasons"]
        return Prediction(False, reasons[0]["rule"], reasons[0]["sentence"]) if reasons else Prediction(False)
    missing = [
        text for text in record["requirements"] if installed and not _met(Requirement(text), installed)
    ]
    missing += record["system_packages"]
    if missing:
        return Prediction(False, "plan.adds", "the planner would add " + ", ".join(missing))
    return Prediction(True)


def _met(wanted: Requirement, installed: Mapping[str, str]) -> bool:
    version = installed.get(canonicalize_name(wanted.name))
    return version is not None and wanted.specifier.contains(version, prereleases=True)
