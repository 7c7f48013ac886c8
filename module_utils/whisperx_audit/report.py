"""One host's audit: the record, and the lines a person reads."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any, Dict, Iterator, List, Mapping, Tuple

from ..whisperx_abi.model import Finding
from ..whisperx_common.conditions import ABSENT, BROKEN, DRIFTED, HEALTHY
from ..whisperx_common.versions import minor, numbers
from ..whisperx_env.integrity import packages as installed
from ..whisperx_release import host, state
from ..whisperx_release.model import Layout, Release
from . import changes, contents, processes, services
from .model import BREAKS, Asked, Item

__all__ = ["is_pinned", "report"]

SCHEMA = 2
# Findings that a terminal shows; the record has all.
_SHOWN = 6
_PROC_DRIVER = "/sys/module/nvidia/version"


def report(asked: Asked, driver_file: str = _PROC_DRIVER) -> Dict[str, Any]:
    """Audit the environment below ``asked.root``.

    Returns plain data: ``state`` is "absent", "healthy", "drifted" or "broken"; ``would_break`` says whether
    the pending change breaks it. Raises Problem "env.foreign-directory" for a foreign root.
    """
    layout = Layout(os.path.normpath(asked.root), "", "")
    found = state.read(layout)
    release = found.get(found.current)
    now = host.here(driver_file)
    base: Dict[str, Any] = {"schema": SCHEMA, "root": layout.root, "host": asdict(now)}
    base["coming"] = {"libc": asked.libc, "driver": asked.driver}
    if release is None:
        lines = ["no environment in {}".format(layout.root)]
        return dict(base, state=ABSENT, release="", would_break=False, lines=lines)
    changed = [*_changed(release, now, asked.hashes), *processes.older(layout, found)]
    changed += services.services(layout)
    findings, count = changes.objects(release, now, deep=True)
    breaks = list(changes.coming(release, now, asked.libc, asked.driver))
    broken = bool(findings) or any(item.weight == BREAKS for item in changed)
    result = dict(
        base,
        state=BROKEN if broken else DRIFTED if changed else HEALTHY,
        release=release.name,
        proved=dict(release.value("host", {}) or {}, at=(release.value("verify", {}) or {}).get("at")),
        objects=count,
        changes=[item.record() for item in changed],
        findings=[asdict(item) for item in findings],
        breaks=[item.record() for item in breaks],
        would_break=bool(breaks),
        previous=_previous(found.get(found.previous), now, asked),
        plan=_plan(asked.plan, release),
    )
    result["python"] = _python(asked.plan, release)
    result["lines"] = list(_lines(result, release, changed, findings, breaks))
    return result


def _changed(release: Release, now: host.Here, hashes: bool) -> Iterator[Item]:
    for part in (
        changes.host_changes(release, now),
        contents.packages(release),
        contents.files(release, hashes),
    ):
        yield from part


def _previous(release: Any, now: host.Here, asked: Asked) -> Dict[str, Any]:
    """Whether a rollback would find a release that fits, today and with the pending change."""
    if release is None:
        return {}
    findings, _count = changes.objects(release, now, deep=False)
    breaks = list(changes.coming(release, now, asked.libc, asked.driver))
    told = ["{} {}".format(item.file, item.found) for item in findings] + [item.sentence for item in breaks]
    return {"release": release.name, "fits": not findings, "would_fit": not told, "why": told[:_SHOWN]}


def _plan(plan: Mapping[str, Any], release: Release) -> Dict[str, Any]:
    """What site.yml would make of the host: "" verdict where no plan was given."""
    if not plan:
        return {}
    here = installed(release.site_packages)
    pins = dict(plan.get("pins") or {})
    moved = {
        name: [here.get(name, ""), pins[name]]
        for name in sorted(pins)
        if not is_pinned(here.get(name, ""), str(pins[name]))
    }
    return {
        "verdict": plan.get("verdict"),
        "versions": moved,
        "repairs": [str(row.get("package")) for row in plan.get("repairs") or []],
        "environment": dict(plan.get("environment") or {}),
        "reasons": [str(row.get("sentence")) for row in plan.get("reasons") or []][:_SHOWN]
        if plan.get("verdict") == "refused"
        else [],
        "remedies": [str(row.get("sentence")) for row in plan.get("remedies") or []],
    }


def _python(plan: Mapping[str, Any], release: Release) -> Dict[str, Any]:
    """Which managed Python a release has, and the newest of its minor version that the catalogue knows.

    {} for a release on the host's own Python; no "newest" where no plan was given.
    """
    have = str(release.value("python_archive", {}).get("version") or "")
    newest = (plan.get("python_archive") or {}) if have else {}
    version = str(newest.get("version") or "")
    if not have or minor(version) != minor(have) or numbers(version) <= numbers(have):
        return {"version": have} if have else {}
    return {"version": have, "newest": version, "security": bool(newest.get("security"))}


def is_pinned(version: str, pin: str) -> bool:
    """Return whether a version is the pinned one: a build or a repair of it has a further local label."""
    return version == pin or version.startswith(pin + ("." if "+" in pin else "+"))


def _lines(
    result: Mapping[str, Any],
    release: Release,
    changed: List[Item],
    findings: Tuple[Finding, ...],
    breaks: List[Item],
) -> Iterator[str]:
    """What a person reads: what it is, what changed, what does not fit, what would break, what to do."""
    words = {HEALTHY: "healthy", DRIFTED: "drifted", BROKEN: "BROKEN"}
    at = str(result["proved"].get("at") or release.value("created"))
    word = words[result["state"]]
    yield "{} ({} objects, verified {}): {}".format(release.name, result["objects"], at, word)
    for item in changed:
        yield "  {:<9} {} [{}]".format(item.what, item.sentence, item.rule)
    if result["python"].get("newest"):
        why = ": security release" if result["python"]["security"] else ""
        told = "  managed Python {version}, newest {newest}{why}; take it: whisperx_plan_state=upgrade"
        yield told.format(why=why, **result["python"])
    for finding in findings[:_SHOWN]:
        yield "  does not fit: {} {} [{}]".format(finding.file, finding.found, finding.rule)
    if len(findings) > _SHOWN:
        yield "  and {} more that do not fit".format(len(findings) - _SHOWN)
    pending = [version for version in (_named("glibc", result), _named("driver", result)) if version]
    if pending:
        yield "with {}: {}".format(" and ".join(pending), "WOULD BREAK" if breaks else "would stay healthy")
    for item in breaks[:_SHOWN]:
        yield "  {} [{}]".format(item.sentence, item.rule)
    if len(breaks) > _SHOWN:
        yield "  and {} more".format(len(breaks) - _SHOWN)
    if breaks or result["state"] == BROKEN:
        yield from _site(result, release, "site.yml fixes it: ", "it builds the environment again")
    elif pending:
        yield from _site(result, release, "site.yml would then: ", "")
    if result["previous"] and not result["previous"]["would_fit"]:
        yield "  no rollback: {} does not fit either: {}".format(
            result["previous"]["release"], result["previous"]["why"][0]
        )
    remedies = [item.remedy for item in changed if item.remedy]
    if result["state"] == DRIFTED and remedies:
        yield "  next: " + remedies[0]


def _named(what: str, result: Mapping[str, Any]) -> str:
    version = result["coming"]["libc" if what == "glibc" else "driver"]
    return "{} {}".format(what, version) if version else ""


def _site(result: Mapping[str, Any], release: Release, lead: str, otherwise: str) -> Iterator[str]:
    """What site.yml would do, after ``lead``; ``otherwise`` where it names no version or remedy."""
    plan = result["plan"]
    if not plan:
        if otherwise:
            yield "  next: playbooks/plan.yml shows what would run here."
        return
    if plan["verdict"] == "refused":
        yield "  site.yml would refuse: " + (plan["reasons"] or ["see playbooks/plan.yml"])[0]
    else:
        asked = [str(name) for name in release.value("requested", [])]
        deeds = ["repair {}".format(name) for name in plan["repairs"]]
        deeds += ["set {}={}".format(*pair) for pair in sorted(plan["environment"].items())]
        deeds += [
            "{} {} -> {}".format(name, old or "none", new)
            for name, (old, new) in sorted(plan["versions"].items(), key=lambda row: row[0] not in asked)
        ]
        told = ", ".join(deeds[:_SHOWN]) or otherwise
        if told:
            yield "  " + lead + told
    for sentence in plan["remedies"][:2] if otherwise or plan["verdict"] == "refused" else []:
        yield "  remedy: " + sentence
