"""The decision from the options of a task to its result, with the documents that are written on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..whisperx_catalogue.catalogue import load
from ..whisperx_common.output import Output
from ..whisperx_problem import Problem
from .decide import Decision, decide
from .output.comparison import change_lines, changes, read_plan
from .output.document import details, document, merged, render, table
from .output.locked import with_locked
from .output.page import render_page
from .output.wheels import unused, wheel_lines, with_fate
from .requests import OPTIONS, requests_by_host
from .shelf import Shelf

__all__ = ["run"]

# The path of a root file system's tar and a directory to keep results in, to its facts.
Probe = Callable[[str, str], Mapping[str, Any]]


def run(options: Mapping[str, Any], probe: Probe) -> dict[str, Any]:
    """Return the result that the module documents. ``options``: as ARGUMENTS has them. Raises Problem."""
    if options["page"] and not options["templates"]:
        raise Problem(
            "plan.page",
            "no templates are given",
            options["page"],
            "the directory of the page's templates",
            "Set the option templates",
        )
    outputs = _outputs(options)
    for output in outputs.values():
        output.check()
    before = read_plan(options["compare"]) if options["compare"] else None
    decision, wheels = _decision(options, probe)
    if options["lock_dir"]:
        decision = with_locked(decision, options["lock_dir"])
    result: dict[str, Any] = {
        "hosts": decision.hosts,
        "classes": decision.classes,
        "unread": dict(options["unread"]),
        "table": table(decision, options["unread"]),
        "details": [*details(decision, options["everything"]), *wheel_lines(wheels.rows, wheels.others)],
        "wheels": wheels.rows,
    }
    if told := unused(wheels.rows):
        result["warnings"] = told
    found = changes(before, decision) if before is not None else None
    if found is not None:
        result.update(changes=found, change_lines=change_lines(found))
    if options["output"]:
        outputs["output"].write(render(decision))
    else:
        result["document"] = document(decision)
    if options["page"]:
        page = render_page(decision, found, options["page"], options["templates"])
        outputs["page"].write(page)
    return result


@dataclass(frozen=True)
class _Wheels:
    """The wheels of whisperx_plan_wheels with what became of them; names of those not in the catalogue."""

    rows: Sequence[Mapping[str, Any]]
    others: Sequence[str]


def _decision(options: Mapping[str, Any], probe: Probe) -> tuple[Decision, _Wheels]:
    """Return the decision for every host, and the wheels that the user built.

    Hosts that ask for different things are decided in turn.
    """
    known = load(options["catalogue"])
    hosts = options["hosts"]
    if hosts is None:
        raise Problem(
            "request.hosts",
            "no hosts are given",
            "option hosts",
            "host name to facts",
            "Name them, or run the action plugin, which takes those of the play",
        )
    base = {key: options[key] for key in OPTIONS}
    groups = list(
        requests_by_host(
            hosts, base, options["requests"], lambda root: probe(root, options["cache_dir"] or "")
        )
    )
    shelf = Shelf(known, options)
    parts = []
    for request, names in groups:
        catalogue = shelf.catalogue(request.wheels)
        parts.append(decide({name: hosts[name] for name in names}, request, catalogue))
    decision = merged(parts)
    return decision, _Wheels(with_fate(shelf.rows, shelf.lost, decision), shelf.others)


def _outputs(options: Mapping[str, Any]) -> dict[str, Output]:
    """Return the files that are asked for, by option."""
    return {
        option: Output(f"whisperx_plan_{option}", options[option])
        for option in ("output", "page")
        if options[option]
    }
