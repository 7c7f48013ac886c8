"""What became of the wheels that the user built: which hosts get each, and why the others do not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...whisperx_common.wording import named, printable
from ...whisperx_libraries import Version
from ..decide import Decision

__all__ = ["unused", "wheel_lines", "with_fate"]

_HOSTS = 8
Row = Mapping[str, Any]


def with_fate(rows: Iterable[Row], lost: Mapping[str, str], decision: Decision) -> list[dict[str, Any]]:
    """Return the rows of the wheels, each with the ``hosts`` that get it, and ``why`` the others do not, each
    sentence once. ``lost``: SHA-256 -> why it can be had nowhere.
    """
    found = []
    for row in sorted(rows, key=lambda one: (str(one["file"]), str(one["sha256"]))):
        hosts = [name for name, record in decision.hosts.items() if _gets(record, row)]
        why = [lost[row["sha256"]]] if row["sha256"] in lost else _why(row, decision)
        found.append({**row, "hosts": hosts, "why": why})
    return found


def wheel_lines(rows: Sequence[Row], others: Sequence[str]) -> list[str]:
    """Return the wheels as lines for people, none where none were given."""
    lines = []
    for row in rows:
        name = f"{printable(row['file'])} (built elsewhere, digest {row['sha256'][:12]})"
        lines.append(f"  {name}: " + (named(row["hosts"], _HOSTS) if row["hosts"] else "no host"))
        lines += [f"    - {sentence}" for sentence in row["why"]]
    if others:
        told = named([printable(name) for name in others], _HOSTS)
        lines.append(f"  not of the catalogue, name their directory in whisperx_plan_find_links: {told}")
    return ["", "wheels of whisperx_plan_wheels:", *lines] if lines else []


def unused(rows: Sequence[Row]) -> list[str]:
    """Return a sentence for each wheel that no host gets."""
    return [
        f"{printable(row['file'])} of whisperx_plan_wheels is used by no host: "
        + (row["why"] or ["there is no host"])[0]
        for row in rows
        if not row["hosts"]
    ]


def _gets(record: Mapping[str, Any], row: Row) -> bool:
    """Say whether a plan takes a wheel."""
    mine = any(wheel["sha256"] == row["sha256"] for wheel in record.get("wheels") or ())
    return mine and record["pins"].get(row["package"]) == row["version"]


def _why(row: Row, decision: Decision) -> list[str]:
    """Return why hosts that do not get a wheel do not, each sentence once with the number of its hosts."""
    told: dict[tuple[bool, str], list[str]] = {}
    for name, record in decision.hosts.items():
        if not _gets(record, row):
            told.setdefault(_sentence(row, record), []).append(name)
    # Hosts of another kind of machine come last: what they say of the wheel is no news.
    ordered = sorted(told.items(), key=lambda pair: pair[0][0])
    return [f"{sentence} ({named(hosts, 3)})" for (_foreign, sentence), hosts in ordered]


def _sentence(row: Row, record: Mapping[str, Any]) -> tuple[bool, str]:
    """Return why a host does not get a wheel, and whether the host is one that the wheel is not meant for."""
    package, version = str(row["package"]), str(row["version"])
    for reason in record["reasons"]:
        if reason["subject"].partition(" ")[0] == package and version in reason["versions"]:
            said = str(reason["sentence"]).removesuffix(reason["remedy"]).rstrip(" .")
            return reason["rule"] == "wheel.machine", said.replace(reason["subject"], f"{package} {version}")
    return False, _otherwise(package, version, record)


def _otherwise(package: str, version: str, record: Mapping[str, Any]) -> str:
    """Return why a host does not get a wheel that no rule says anything against."""
    pin = (record.get("pins") or {}).get(package)
    if record["verdict"] != "plan":
        return f"the host is refused: {record['reasons'][0]['sentence']}"
    if pin is None:
        return f"{package} is not part of the set"
    if pin == version:
        return (
            f"another wheel of {package} {version} fits the host, or none for its Python {record['python']}"
        )
    if Version(pin) > Version(version):
        return f"loses to {package} {pin}, which is newer and runs there"
    return f"does not go together with the rest of the set, which takes {package} {pin}"
