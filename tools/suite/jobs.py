"""The jobs: what the project's tests run, what each costs, and what must not run at the same time."""

from __future__ import annotations

import sys
from pathlib import Path

from .schedule import Job

__all__ = ["IMAGES", "PROOFS", "ROOT", "SECTIONS", "limit", "scenarios", "select"]

ROOT = Path(__file__).resolve().parents[2]

_PYTEST = (sys.executable, "-m", "pytest", "-ra", "--junitxml={report}")
_MOLECULE = ("tools/lab/with", "molecule", "test", "--no-command-borders", "-s")
IMAGES = "test images"

LINT = (
    Job("ruff", ("ruff", "check", "--quiet", ".")),
    Job("yamllint", ("yamllint", "--strict", ".")),
    Job("mypy", ("mypy",)),
    Job("changelog fragments", ("antsibull-changelog", "lint")),
    Job("ansible-lint", (sys.executable, "tools/ansible_lint.py", "--offline", "--strict", "-q")),
)
UNIT = (
    Job(
        "unit tests",
        (*_PYTEST, "--numprocesses=auto", "--dist=worksteal", "tests/unit", "tests/contract"),
        cost=2,
        tests=True,
    ),
)
LAB = (Job(IMAGES, ("tools/lab/build_images",)),)
# Files are shared out whole, so that the fixtures of a module are made once.
INTEGRATION = (
    Job(
        "integration tests",
        (
            *_PYTEST,
            "--numprocesses=2",
            "--dist=loadfile",
            "--no-loadscope-reorder",
            "tests/integration",
            "tests/attack",
        ),
        cost=2,
        after=(IMAGES,),
        tests=True,
        limit=3600.0,
    ),
)
# Scenarios in the order in which they start. `container` is the longest; `default`, the next, finds in the
# cache what it has downloaded, which two that begin together would both download.
_ORDER = ("container", "default", "fleet", "models", "upgrade", "glibc", "bake", "distributions")
# What takes hours or tens of gigabytes, each on a machine of its own.
PROOFS = ("attack", "doctor-proof", "truth", "boot-proof")
_HOURS = 6 * 3600.0
SECTIONS = ("check", "lint", "unit", "integration", "molecule", "test", "test-all")


def scenarios() -> list[str]:
    """Return the names of all molecule scenarios, in the order in which they start."""
    found = {path.parent.name for path in ROOT.glob("molecule/*/molecule.yml")}
    return [name for name in _ORDER if name in found] + sorted(found.difference(_ORDER))


def molecule(names: list[str]) -> tuple[Job, ...]:
    """Return the jobs of some scenarios."""
    return tuple(Job(f"molecule {name}", (*_MOLECULE, name), needs=(IMAGES,)) for name in names)


def select(section: str, names: list[str]) -> tuple[Job, ...]:
    """Return the jobs of a section, in the order in which they start; ``names``: only these scenarios."""
    if section == "molecule":
        return (*LAB, *molecule(names or scenarios()))
    if section == "test-all":
        return tuple(Job(name, ("make", name), holds=frozenset({"machine"}), limit=_HOURS) for name in PROOFS)
    known = {"lint": LINT, "unit": UNIT, "integration": (*LAB, *INTEGRATION), "check": (*UNIT, *LINT)}
    if section in known:
        return known[section]
    first, *others = molecule(scenarios())
    # The longest scenario decides when the run ends, so it does not wait for the quick ones.
    return (*LAB, first, *UNIT, *LINT, *INTEGRATION, *others)


def limit(section: str) -> float:
    """Return the seconds a section may take: it ends with a count before a CI system ends it without one."""
    return len(PROOFS) * _HOURS if section == "test-all" else 84 * 60.0
