"""The decision as a page for people, HTML or Markdown; the same bytes for the same decision."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...whisperx_common.wording import hosts_in_words, printable
from ...whisperx_libraries import Environment, FileSystemLoader, Markup, StrictUndefined, TemplateError
from ...whisperx_problem import Problem
from ..decide import Decision
from .comparison import words_of
from .document import python_of, why

__all__ = ["render_page"]

_TEMPLATES = {".html": "page.html.j2", ".md": "page.md.j2"}
_SHOWN = ("whisperx", "faster-whisper", "ctranslate2", "torch")
_KINDS = {
    "breaks": "Would break",
    "cured": "Cured",
    "class": "Another class",
    "versions": "Other versions",
    "new": "New",
    "gone": "Gone",
}
# What has a meaning in Markdown, in a table of it, or in the HTML it may hold.
_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~&])")


def render_page(decision: Decision, changes: Mapping[str, Any] | None, path: str, templates: str) -> str:
    """Return the page for the file ``path``, whose ending says which kind. ``templates``: their directory.

    Whatever hosts say about themselves is escaped. Raises Problem "plan.page" for another ending, or where
    the templates cannot be used.
    """
    ending = Path(path).suffix.lower()
    if ending not in _TEMPLATES:
        raise Problem(
            "plan.page",
            f"the ending is {ending!r}",
            path,
            ".html or .md",
            "Name the file so (whisperx_plan_page)",
        )
    html = ending == ".html"
    environment = Environment(
        loader=FileSystemLoader(templates),
        autoescape=html,
        undefined=StrictUndefined,
        finalize=_clean if html else _markdown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    try:
        return environment.get_template(_TEMPLATES[ending]).render(**_view(decision, changes))
    except TemplateError as error:
        raise Problem(
            "plan.page",
            f"{type(error).__name__}: {error}",
            f"{templates}/{_TEMPLATES[ending]}",
            "the templates of the role whisperx_plan",
            "Restore roles/whisperx_plan/files/page",
        ) from None


def _clean(value: Any) -> Any:
    return value if isinstance(value, Markup) else printable(str(value))


def _markdown(value: Any) -> str:
    return _MARKS.sub(r"\\\1", printable(str(value)))


def _view(decision: Decision, changes: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what the templates show: totals, answers with their hosts, the hosts with theirs, changes."""
    answers = _answers(decision)
    records = list(decision.hosts.values())
    planned = sum(record["verdict"] == "plan" for record in records)
    classes = len(decision.classes)
    totals = [
        f"{planned} planned",
        f"{len(records) - planned} refused",
        f"{sum(record.get('device') == 'cuda' for record in records)} on a GPU",
        f"{sum(record.get('device') == 'cpu' for record in records)} on the CPU",
        "1 class" if classes == 1 else f"{classes} classes",
    ]
    return {
        "count": hosts_in_words(len(records)),
        "totals": totals,
        "answers": answers,
        "hosts": sorted(
            ({"host": host, **answer} for answer in answers for host in answer["hosts"]),
            key=lambda entry: entry["host"],
        ),
        "changes": _changes(changes),
        "compared": changes is not None,
    }


def _answers(decision: Decision) -> list[dict[str, Any]]:
    """Return every different answer with the hosts that have it: refusals last, else by class."""
    groups: dict[str, list[str]] = {}
    texts: dict[int, str] = {}
    for name in sorted(decision.hosts):
        record = decision.hosts[name]
        # Hosts that were decided together share one record.
        text = texts.setdefault(id(record), json.dumps(record, sort_keys=True))
        groups.setdefault(text, []).append(name)
    ordered = sorted(groups.values(), key=lambda names: (decision.hosts[names[0]]["class"] or "~", names[0]))
    return [_answer(number, names, decision.hosts[names[0]]) for number, names in enumerate(ordered, 1)]


def _answer(number: int, names: list[str], record: Mapping[str, Any]) -> dict[str, Any]:
    planned = record["verdict"] == "plan"
    pins = record.get("pins", {})
    return {
        "number": number,
        "hosts": names,
        "count": hosts_in_words(len(names)),
        "planned": planned,
        "verdict": "plan" if planned else "refused",
        "class": record["class"] or "refused",
        "device": record.get("device") or "-",
        "python": python_of(record),
        "build": record.get("torch_build") or "-",
        "versions": ", ".join(f"{name} {pins[name]}" for name in _SHOWN if name in pins) or "-",
        "why": why(record),
        "pins": pins,
        "constraints": record.get("constraints", {}),
        "environment": record.get("environment", {}),
        "reasons": [_reason(entry) for entry in record["reasons"]],
        "remedies": record["remedies"],
        "notes": record.get("notes", []),
        "driver": {key: value for key, value in record.get("driver_advice", {}).items() if value},
    }


def _reason(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: entry[key] for key in ("sentence", "rule", "source")}


def _changes(found: Mapping[str, Any] | None) -> dict[str, list[dict[str, Any]]]:
    """Return, by title, every different change with the hosts it happens to."""
    if found is None:
        return {}
    shown: dict[str, list[dict[str, Any]]] = {}
    for kind, title in _KINDS.items():
        groups: dict[str, list[str]] = {}
        for entry in found[kind]:
            groups.setdefault(words_of(kind, entry), []).append(entry["host"])
        if groups:
            shown[title] = [
                {"what": what, "hosts": hosts, "count": len(hosts)} for what, hosts in groups.items()
            ]
    return shown
