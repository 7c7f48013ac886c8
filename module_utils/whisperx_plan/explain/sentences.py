"""Why versions are ruled out, in sentences: findings grouped, words filled into the rows of rules.yml."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ...whisperx_catalogue.catalogue import Catalogue
from ...whisperx_catalogue.release import Release
from ...whisperx_problem import Problem
from ..findings import Finding
from ..model import Reason

__all__ = ["Spoken", "first_said", "reason", "reasons_for", "say", "sentence_of", "with_allowed"]

Spoken = tuple[Release, Finding]
# Rules from this order on only say how the set was settled; nobody has to mend anything.
_SETTLED = 60
# The remedy of a finding that the request lets be cured, where something else stands in the way.
_ALLOWED = "allowed"


class _Words(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "?"


def _fill(template: str, words: Mapping[str, Any]) -> str:
    return template.format_map(_Words(words)).strip()


def sentence_of(found: Finding, subject: str, catalogue: Catalogue) -> str:
    """Return the sentence alone, without remedy and full stop."""
    row = _row(found, catalogue)
    return _fill(row.sentence, {**dict(found.words), "subject": subject, "found": found.found})


def _row(found: Finding, catalogue: Catalogue) -> Any:
    row = catalogue.rows.rules.get(found.rule)
    if row is None:
        raise Problem(
            "catalogue.malformed",
            f"there is no row for the rule {found.rule}",
            "rules.yml",
            "one row per rule",
            "Correct the catalogue",
        )
    return row


def reason(
    found: Finding,
    subject: str,
    catalogue: Catalogue,
    versions: Iterable[str] = (),
    pin: str | None = None,
) -> Reason:
    """Return a finding as a Reason. ``pin``: the version that the plan takes of the same package, if any."""
    row = _row(found, catalogue)
    words = {
        **dict(found.words),
        "subject": subject,
        "found": found.found,
        "pin": pin or "",
        "rule": found.rule,
    }
    remedy = row.remedy
    if found.variant in row.variants:
        remedy = row.variants[found.variant]
    elif pin is not None and "pinned" in row.variants:
        remedy = row.variants["pinned"]
    said, step = _fill(row.sentence, words), _fill(remedy, words)
    return Reason(
        rule=found.rule,
        subject=subject,
        found=found.found,
        wanted=_fill(row.wanted, words),
        remedy=step,
        source=str(words.get("evidence", row.source)),
        sentence=f"{said}. {step}".strip() if step else f"{said}.",
        versions=tuple(versions),
    )


def reasons_for(spoken: Iterable[Spoken], catalogue: Catalogue, pins: Mapping[str, Release]) -> list[Reason]:
    """Group findings about releases by rule, package, found and wanted; the newest release of a group is
    its subject.
    """
    groups: dict[tuple[str, str, str, str], list[Spoken]] = {}
    for release, found in spoken:
        row = _row(found, catalogue)
        wanted = _fill(row.wanted, {**dict(found.words), "subject": release.subject, "found": found.found})
        groups.setdefault((found.rule, release.package, found.found, wanted), []).append((release, found))
    ordered = sorted(groups.values(), key=lambda group: _order(group, catalogue, pins))
    return [_grouped(group, catalogue, pins) for group in ordered]


def _grouped(group: list[Spoken], catalogue: Catalogue, pins: Mapping[str, Release]) -> Reason:
    group = sorted(group, key=lambda entry: entry[0].index, reverse=True)
    newest, found = group[0]
    pinned = pins.get(newest.package)
    pin = pinned.text if pinned is not None and pinned is not newest else None
    return reason(found, newest.subject, catalogue, [release.text for release, _found in group], pin)


def _order(group: list[Spoken], catalogue: Catalogue, pins: Mapping[str, Release]) -> tuple[Any, ...]:
    """What keeps a newer version away comes first, then by package, then by rule."""
    newest = max((release for release, _found in group), key=lambda release: release.index)
    pin = pins.get(newest.package)
    older = pin is not None and newest.index < pin.index
    order = catalogue.rows.rules[group[0][1].rule].order
    curable = group[0][1].variant == _ALLOWED
    return older, order >= _SETTLED, catalogue.rank(newest.package), curable, order, -newest.index


def with_allowed(found: Finding, remedies: Iterable[str], catalogue: Catalogue) -> Finding:
    """Return a finding of a refusal, told as curable where one of the allowed remedies cures it."""
    row = _row(found, catalogue)
    curable = _ALLOWED in row.variants and not set(row.cures).isdisjoint(remedies)
    return replace(found, variant=_ALLOWED) if curable else found


def first_said(found: Iterable[Finding], catalogue: Catalogue) -> Finding | None:
    """Return the finding that is told first."""
    return min(found, key=lambda said: (_row(said, catalogue).order, said.rule), default=None)


def say(found: Finding, release: Release, catalogue: Catalogue) -> str:
    """Return what a finding says of a release, without remedy."""
    return sentence_of(found, release.subject, catalogue)
