"""The record of a run as lines for a terminal: each host of a few, the classes of many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..whisperx_common.conditions import ABSENT, CHANGED, FAILED, HELD, REFUSED, RETRY, WELL
from ..whisperx_common.wording import hosts_in_words, named, printable, versions_of
from .services import counts, sentence

__all__ = ["lines"]

# So many hosts are reported one by one.
_FEW = 10
# Of many hosts, so many names, problems and classes.
_NAMES, _PROBLEMS, _CLASSES = 3, 20, 40


def lines(record: Mapping[str, Any], summaries: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the results of the run, the worst first.

    ``summaries``: host to the lines of its own module, each with the host's name before it.
    """
    many = len(record["hosts"]) > _FEW
    body = _many(record) if many else _few(record, summaries)
    return [printable(line) for line in (*body, *_notes(record), *_end(record))]


def _few(record: Mapping[str, Any], summaries: Mapping[str, Sequence[str]]) -> Iterator[str]:
    hosts = record["hosts"]
    for state in record["totals"]:
        for name in (name for name, row in hosts.items() if row["state"] == state):
            # What its module said of a host that did not end well may be a prediction, and is no reason.
            told = () if state in RETRY else summaries.get(name)
            yield from told or _one(name, hosts[name])
            yield from (f"{name}: service {sentence(one, _check(record))}" for one in hosts[name]["services"])


def _one(name: str, row: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a host without a summary: why, first; then its remedies, or what it still runs."""
    yield f"{name}: {row['state']}" + (f": {row['message']}" if row["message"] else "")
    if row["state"] == REFUSED:
        yield from (f"{name}: remedy: {sentence}" for sentence in row["remedies"])
    elif row["state"] in (FAILED, HELD) and row["versions"]:
        yield f"{name}: still runs {versions_of(row['versions'])} on {row['device']}"


def _many(record: Mapping[str, Any]) -> Iterator[str]:
    problems = record["problems"]
    for one in problems[:_PROBLEMS]:
        count = len(one["hosts"])
        rule = f" [{one['rule']}]" if one["rule"] else ""
        who = named(one["hosts"], _NAMES)
        yield f"{one['state']}, {hosts_in_words(count)} ({who}): {one['message']}{rule}"
        yield from (f"  remedy: {sentence}" for sentence in one["remedies"])
    if len(problems) > _PROBLEMS:
        yield f"and {len(problems) - _PROBLEMS} more problems"
    shown = list(_well(record))
    yield from shown[:_CLASSES]
    if len(shown) > _CLASSES:
        yield f"and {len(shown) - _CLASSES} more classes"
    yield from counts(record["hosts"], _check(record))


def _well(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line per class and state that is well."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in record["hosts"].values():
        if row["state"] in WELL:
            found.setdefault((row["state"], row["class"]), []).append(row)
    for (state, identity), rows in sorted(found.items(), key=lambda one: (one[0][0], -len(one[1]))):
        versions = rows[0]["versions"] or rows[0]["planned"]
        runs = f": {versions_of(versions)} on {rows[0]['device']}" if state != ABSENT else ""
        changed = 0 if state == CHANGED else sum(bool(row["actions"]) for row in rows)
        more = f"; {changed} {_word(record)}" if changed else ""
        yield f"{state}, {hosts_in_words(len(rows))} of {identity or 'no class'}{runs}{more}"


def _notes(record: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"note: {note}" for note in record["run"].get("notes") or [])


def _end(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the counts of all hosts, last, where a reader's eye is when a run ends."""
    counts = ", ".join(f"{number} {state}" for state, number in record["totals"].items())
    # The count of the state says it already, unless environments were removed or would change.
    known = record["changed"] == record["totals"].get(CHANGED, 0)
    changed = "" if known else f"; {record['changed']} {_word(record)}"
    transferred = f", {record['bytes'] / 1e6:.0f} MB transferred" if record["bytes"] else ""
    yield f"{hosts_in_words(len(record['hosts']))}: {counts}{changed}{transferred}"


def _check(record: Mapping[str, Any]) -> bool:
    return bool(record["run"].get("check"))


def _word(record: Mapping[str, Any]) -> str:
    return "would change" if _check(record) else "changed"
