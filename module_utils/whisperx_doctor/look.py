"""What the files of an environment tell without running anything: the ABI audit, and what RECORD says."""

from __future__ import annotations

import os
from typing import Any, List, Mapping, NamedTuple, Optional, Set, Tuple

from ..whisperx_abi.audit import Finding, Use, audit
from ..whisperx_problem import Problem
from . import files
from .records import Asked, Environment, Symptom
from .rows import Knowledge

__all__ = ["Looked", "look"]

_TUNABLE = "glibc.rtld.execstack=2"
_MOST_FINDINGS = 50
# Of what the audit only notes, this can explain something that was seen.
_NOTED = ("abi.missing", "abi.collision")


class Looked(NamedTuple):
    """The symptoms, and how many shared objects and files were looked at."""

    symptoms: Tuple[Symptom, ...]
    objects: int
    files: int


def look(environment: Environment, facts: Mapping[str, Any], knowledge: Knowledge, asked: Asked) -> Looked:
    """Look at every shared object and every file that a package brought."""
    audited, objects = _audit(environment, facts, knowledge, asked)
    compared, count = files.examine(environment.own or environment.sites)
    return Looked((*audited, *compared), objects, count)


def _audit(
    environment: Environment, facts: Mapping[str, Any], knowledge: Knowledge, asked: Asked
) -> Tuple[List[Symptom], int]:
    """Return what the ABI audit finds in the package directories, and how many objects it read.

    Symbols are looked at one by one only where nothing will be run: the loader says more, sooner.
    """
    libc = facts.get("libc") or {}
    glibc = libc.get("version") if libc.get("family") == "glibc" else None
    machine = str(facts.get("machine") or "")
    variables = {**environment.variables, **asked.variables}
    allowed = _TUNABLE in variables.get("GLIBC_TUNABLES", "")
    found: List[Symptom] = []
    objects = 0
    required = _required(environment, knowledge) if glibc else set()
    for site in environment.own or environment.sites:
        use = _use(environment, site, variables, asked, knowledge)
        try:
            result = audit(site, glibc, machine, allowed, knowledge.execstack_refused_from, use)
        except Problem as problem:
            found.append(Symptom("audit", problem.rule, problem.found, problem.where))
            continue
        objects += result.objects
        told = [(item, not _decides(item, required)) for item in result.findings]
        told += [(item, True) for item in result.notes if item.rule in _NOTED]
        for item, minor in told[:_MOST_FINDINGS]:
            found.append(Symptom("audit", item.rule, f"{item.file} {item.found}", item.file, minor=minor))
    return found, objects


def _required(environment: Environment, knowledge: Knowledge) -> Optional[Set[str]]:
    """Return the top-level modules whose missing libraries decide; None for all.

    The plan of a release says which libraries each of its packages works without. Elsewhere that is known of
    the packages that the catalogue has, and of no other.
    """
    if "optional" in (environment.sonames or {}):
        return None
    return {str(row["module"]).partition(".")[0] for row in knowledge.packages if not row.get("optional")}


def _decides(item: Finding, required: Optional[Set[str]]) -> bool:
    """Tell whether a finding keeps the environment from working where nothing can be run."""
    if item.rule != "abi.missing" or required is None:
        return True
    owner = item.file.split(os.sep)[0]
    return (owner[: -len(".libs")] if owner.endswith(".libs") else owner) in required


def _use(
    environment: Environment, site: str, variables: Mapping[str, str], asked: Asked, knowledge: Knowledge
) -> Use:
    """Return how the objects in ``site`` are used; a plan says it of our own releases, else the catalogue."""
    names = environment.sonames or {}
    paths = [os.path.join(site, path) for path in environment.loader_paths]
    paths += [path for path in variables.get("LD_LIBRARY_PATH", "").split(":") if path]
    return Use(
        path=tuple(paths),
        opens=tuple(names.get("opens") or ()),
        optional=tuple(names["optional"]) if "optional" in names else knowledge.optional_sonames,
        interpreter=os.path.realpath(environment.interpreter) if environment.interpreter else "",
        system=asked.root,
        deep=asked.level == "audit" or asked.root != "/",
    )
