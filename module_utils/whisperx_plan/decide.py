"""The decision: facts of all hosts, a request and the catalogue in; for every host a plan or a refusal out.
Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..whisperx_catalogue.catalogue import Catalogue
from ..whisperx_problem import Problem
from .alike import key_of
from .case import Case
from .container import base_of
from .decide_host import judge
from .explain.driver_notes import noted_flags
from .explain.sentences import reason
from .findings import finding
from .host import Host
from .model import Refusal, Request
from .requested import prepare

__all__ = ["Decision", "decide"]

# What differs between hosts of one class without changing the answer: it is left out of the class's own
# record.
_OWN = ("python_path", "system_packages", "notes", "reasons", "remedies", "driver_advice")
# One image serves the hosts of both engines.
_OWN_CONTAINER = ("engine", "gpu")


@dataclass(frozen=True)
class Decision:
    """``hosts``: a plan or refusal per host, plain data. ``classes``: per class id, the plan its hosts
    share.
    """

    hosts: Mapping[str, dict[str, Any]]
    classes: Mapping[str, dict[str, Any]]


def decide(hosts: Mapping[str, Mapping[str, Any]], request: Request, catalogue: Catalogue) -> Decision:
    """Decide for every host. Hosts whose deciding facts are equal are decided once and share one record.

    Raises Problem "catalogue.…" for rows that cannot be worked with. Facts that cannot be read, and packages
    that are unknown or misplaced, refuse their host alone.
    """
    catalogue = prepare(request, catalogue)
    if request.container_base or request.container_facts:
        base_of(
            request, catalogue
        )  # complains about a base that nobody knows, whether a host needs it or not
    flags = catalogue.deciding_flags() | noted_flags(catalogue)
    alike: dict[bytes, dict[str, Any]] = {}
    answers: dict[Host, dict[str, Any]] = {}
    found: dict[str, dict[str, Any]] = {}
    for name, facts in hosts.items():
        key = key_of(facts, flags)
        if key is not None and key in alike:
            found[name] = alike[key]
            continue
        try:
            host = Host.from_facts(name, facts, flags)
        except Problem as problem:
            found[name] = _malformed(problem, catalogue)
            continue
        if host not in answers:
            answers[host] = judge(Case(host, request, catalogue)).record()
        found[name] = answers[host]
        if key is not None:
            alike[key] = answers[host]
    return Decision(found, _classes(found))


def _classes(hosts: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return one record per class, the same whichever of its hosts comes first."""
    classes: dict[str, dict[str, Any]] = {}
    seen: set[int] = set()
    for name in sorted(hosts):
        record = hosts[name]
        if record["class"] is None or id(record) in seen:
            continue
        seen.add(id(record))
        shared = {key: value for key, value in record.items() if key not in _OWN}
        if record["container"]:
            shared["container"] = {
                key: value for key, value in record["container"].items() if key not in _OWN_CONTAINER
            }
        known = classes.setdefault(record["class"], shared)
        if known != shared:
            raise Problem(
                "plan.class",
                f"hosts of class {record['class']} differ in their answer",
                f"host {name}",
                "one answer per class",
                "This is a defect of the toolkit: report it with the facts of the hosts",
            )
    return dict(sorted(classes.items()))


def _malformed(problem: Problem, catalogue: Catalogue) -> dict[str, Any]:
    words = {"field": problem.where, "wanted_words": problem.wanted, "step": problem.remedy}
    said = reason(finding(problem.rule, problem.found, **words), "facts", catalogue)
    return Refusal([said], [{"kind": "facts", "sentence": problem.remedy}]).record()
