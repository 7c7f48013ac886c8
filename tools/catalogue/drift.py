"""What hand-kept tables lack of what measured rows and the index imply, and which of them are old.

In: the tables as they are read from YAML, the releases that the index has, today's date. Out: one line for
each thing to look up, in a stable order. Nothing is downloaded or written here: `tools/refresh_catalogue.py
--check` gathers the releases and prints the lines.

Why: drivers, PTX versions, toolkits and torch's further builds stand in no wheel. A person writes them once,
and nobody would notice that a newer toolkit is out until a host is planned with it.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

__all__ = ["TOOLKIT_PACKAGES", "Tables", "cuda_of", "drift", "read_tables"]

# Whose versions begin with that of their toolkit.
TOOLKIT_PACKAGES = ("cuda-toolkit", "nvidia-cuda-runtime", "nvidia-cuda-runtime-cu12")
FILES = ("drivers.yml", "gpus.yml", "torch_builds.yml", "sonames.yml", "packages.yml")
# A table of what no wheel tells is read again after this many days.
OLD_DAYS = 120
_DATE = re.compile(r"\b(20\d\d-\d\d-\d\d)\b")
_RUNTIME = re.compile(r"^(cuda-toolkit|nvidia-cuda-runtime(-cu\d+)?)$")

Release = Mapping[str, Any]


@dataclass(frozen=True)
class Tables:
    """The hand-kept files: name -> contents. ``gaps``: what is known to be missing, text -> why."""

    files: Mapping[str, Mapping[str, Any]]
    gaps: Mapping[str, str] = field(default_factory=dict)

    def rows(self, file: str, table: str) -> list[Mapping[str, Any]]:
        """The rows of one table."""
        return list(self.files.get(file, {}).get(table) or [])


def read_tables(directory: Path, gaps: Path | None = None) -> Tables:
    """Read the hand-kept files of the catalogue in ``directory``, and the list of known gaps."""
    files = {name: yaml.safe_load((directory / name).read_text(encoding="utf-8")) for name in FILES}
    rows = yaml.safe_load(gaps.read_text(encoding="utf-8")) if gaps and gaps.is_file() else None
    return Tables(files, {row["line"]: row["why"] for row in rows or []})


def cuda_of(requires: Iterable[str]) -> str | None:
    """The CUDA of a torch wheel ("13.4"), from what its METADATA requires; None where that does not tell."""
    for line in requires:
        try:
            wish = Requirement(line)
        except InvalidRequirement:
            continue
        pins = [item.version for item in wish.specifier if item.operator == "=="]
        if _RUNTIME.match(wish.name) and pins:
            return _minor(pins[0].removesuffix(".*"))
    return None


def drift(
    tables: Tables, releases: Mapping[str, Iterable[Release]], today: datetime.date | None = None
) -> list[str]:
    """One line for each thing that ``tables`` lack. ``releases``: package -> its releases as in
    packages/*.json, also those that were only listed. With ``today`` old tables are told as well.
    """
    found = [
        *_toolkits(tables, releases),
        *_ptx(tables, releases),
        *_torch(tables, releases.get("torch", ())),
    ]
    if today is not None:
        found += _old(tables, today)
    return [line for line in dict.fromkeys(found) if line not in tables.gaps]


# -- toolkits and drivers ---------------------------------------------------------------------------------


def _toolkits(tables: Tables, releases: Mapping[str, Iterable[Release]]) -> Iterator[str]:
    """CUDA versions that packages are made for and no row knows: the driver that they need is not known."""
    told = {_minor(row["cuda"]) for row in tables.rows("drivers.yml", "toolkits")}
    floors = {str(row["cuda"]) for row in tables.rows("drivers.yml", "floors")}
    spoken = max((_numbers(row["cuda"]) for row in tables.rows("drivers.yml", "branches")), default=())
    oldest = min(map(_numbers, told), default=())
    for cuda, source in sorted(_cudas(releases).items(), key=lambda item: _numbers(item[0])):
        if _numbers(cuda) < oldest:
            continue
        if cuda not in told:
            yield f"drivers.yml, toolkits: no row for CUDA {cuda}, which {source} is for"
        if cuda.partition(".")[0] not in floors:
            yield f"drivers.yml, floors: no row for CUDA {cuda.partition('.')[0]}, which {source} is for"
        if _numbers(cuda) > spoken:
            yield f"drivers.yml, branches: no driver branch that speaks CUDA {cuda}, which {source} is for"


def _cudas(releases: Mapping[str, Iterable[Release]]) -> dict[str, str]:
    """CUDA minor version -> a release that is made for it."""
    found: dict[str, str] = {}
    for package in TOOLKIT_PACKAGES:
        for release in releases.get(package, ()):
            version = _version(str(release["version"]))
            if version is not None and not version.is_prerelease and version.major:
                found.setdefault(_minor(str(version)), f"{package} {version}")
    for release in releases.get("torch", ()):
        for cuda in _cudas_of(release).values():
            found.setdefault(cuda, f"torch {release['version']}")
    return found


def _cudas_of(release: Release) -> dict[str, str]:
    """Machine -> CUDA of a torch release's default build; measured, else as its METADATA says ("")."""
    measured = {
        machine: _minor(str(abi["cuda"]))
        for machine, abi in (release.get("abi") or {}).items()
        if abi.get("cuda")
    }
    required = cuda_of(release.get("requires_dist") or ())
    return measured or ({"": required} if required else {})


def _ptx(tables: Tables, releases: Mapping[str, Iterable[Release]]) -> Iterator[str]:
    """PTX versions that libraries carry and no row knows, and toolkits newer than the newest row."""
    rows = tables.rows("drivers.yml", "ptx")
    told = {str(row["isa"]) for row in rows}
    newest = max((_numbers(row["cuda"]) for row in rows), default=())
    for package, listed in sorted(releases.items()):
        for release in listed:
            for abi in (release.get("abi") or {}).values():
                isa = abi.get("ptx_isa")
                if isa and isa not in told:
                    source = f"{package} {release['version']}"
                    yield f"drivers.yml, ptx: no row for PTX {isa}, which {source} carries"
    for cuda, source in sorted(_cudas(releases).items(), key=lambda item: _numbers(item[0])):
        if _numbers(cuda) > newest:
            yield f"drivers.yml, ptx: no row for CUDA {cuda}, which {source} is for"


# -- torch ---------------------------------------------------------------------------------------------------


def _torch(tables: Tables, releases: Iterable[Release]) -> Iterator[str]:
    """Series without a row, default builds that are not as measured, capabilities of no generation."""
    rows = {(str(row["series"]), row["machine"]): row for row in tables.rows("torch_builds.yml", "series")}
    generations = tables.rows("gpus.yml", "generations")
    newest: dict[str, Release] = {}
    for release in releases:
        version = _version(str(release["version"]))
        if version is not None and not version.is_prerelease and not release.get("yanked"):
            newest[_minor(str(version))] = release
    for series, release in newest.items():
        for machine in _machines(release):
            row = rows.get((series, machine))
            if row is None:
                yield f"torch_builds.yml: no row for torch {series} on {machine}"
                continue
            yield from _default(row, release, machine)
    for series, release in newest.items():
        for abi in (release.get("abi") or {}).values():
            for capability in [*(abi.get("sass") or ()), *(abi.get("ptx") or ())]:
                if not any(_within(capability, row) for row in generations):
                    yield f"gpus.yml, generations: no row for {capability}, which torch {series} has code for"


def _machines(release: Release) -> list[str]:
    names = [str(wheel["file"]) for wheel in release.get("wheels") or ()]
    return [machine for machine in ("x86_64", "aarch64") if any(machine in name for name in names)]


def _default(row: Mapping[str, Any], release: Release, machine: str) -> Iterator[str]:
    """Where the default build of a series is another one than its wheel on the index."""
    default: Mapping[str, Any] = next((item for item in row["builds"] if item["build"] == row["default"]), {})
    abi = (release.get("abi") or {}).get(machine)
    name = f"torch {release['version']} on {machine}"
    cuda = _cudas_of(release).get(machine) if abi else cuda_of(release.get("requires_dist") or ())
    # METADATA of a wheel without CUDA requires none of it, and says nothing of another machine's wheel.
    if cuda and _minor(str(default.get("cuda") or "0")) != cuda and (abi or machine == "x86_64"):
        yield f"torch_builds.yml: the default of {name} is CUDA {default.get('cuda')}, its wheel {cuda}"
    for key in ("sass", "ptx"):
        if abi and cuda and abi.get(key) is not None and list(abi[key]) != list(default.get(key) or ()):
            yield f"torch_builds.yml: {key} of {name} is {default.get(key)}, its wheel has {abi[key]}"


# -- age -----------------------------------------------------------------------------------------------------


def _old(tables: Tables, today: datetime.date) -> Iterator[str]:
    """Sources of rows that were not measured, and that nobody has read for long."""
    for name, contents in tables.files.items():
        sources = contents.get("sources") or {}
        used = {
            str(row["source"])
            for table in contents.values()
            if isinstance(table, list)
            for row in table
            if isinstance(row, dict) and "source" in row and _is_reported(row)
        }
        for source in sorted(used & sources.keys()):
            dates = [_date(text) for text in _DATE.findall(str(sources[source]))]
            last = max((date for date in dates if date is not None), default=None)
            if last is not None and (today - last).days > OLD_DAYS:
                days = (today - last).days
                yield f"{name}: source {source} was read on {last}, {days} days ago: read it again"


def _is_reported(row: Mapping[str, Any]) -> bool:
    """Whether a row, or one inside it, says what was not measured."""
    builds = row.get("builds")
    inner = [item for item in builds if isinstance(item, dict)] if isinstance(builds, list) else []
    return any(item.get("confidence") != "measured" for item in (row, *inner))


def _date(text: str) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        return None


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _numbers(text: object) -> tuple[int, ...]:
    return tuple(int(part) for part in str(text).split(".")[:2])


def _minor(text: object) -> str:
    return ".".join([*str(text).split("."), "0"][:2])


def _within(capability: str, row: Mapping[str, Any]) -> bool:
    return _numbers(row["first"]) <= _numbers(capability) <= _numbers(row["last"])
