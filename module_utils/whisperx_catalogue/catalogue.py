"""The knowledge, loaded: measured releases (JSON), hand-kept rows (YAML), their digest, and who matches a
specifier.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..whisperx_libraries import load_yaml, yaml
from ..whisperx_problem import Problem
from .fields import Fields
from .release import Release, canonical, requirement, specifier, version
from .rows import Amendment, PackageInfo, Rows
from .rows_reading import read_rows

__all__ = ["ROW_FILES", "Catalogue", "Package", "load", "numbered", "read_package", "with_release"]

ROW_FILES = (
    "amendments.yml",
    "bases.yml",
    "blocked.yml",
    "distros.yml",
    "drivers.yml",
    "gpus.yml",
    "interpreters.yml",
    "packages.yml",
    "platforms.yml",
    "rules.yml",
    "sonames.yml",
    "torch_builds.yml",
)
_REMEDY = "Correct that row of the catalogue"


@dataclass(eq=False)
class Package:
    """A catalogued package; ``releases`` oldest first, so that bit i of a set stands for releases[i].

    ``cuda``: the CUDA major that a package of NVIDIA's libraries is made for, None for every other package.
    """

    name: str
    releases: tuple[Release, ...]
    cuda: int | None = None
    _masks: dict[str, int] = field(default_factory=dict, repr=False)
    _members: dict[int, tuple[Release, ...]] = field(default_factory=dict, repr=False)

    @property
    def everything(self) -> int:
        """The set of all releases."""
        return (1 << len(self.releases)) - 1

    def mask(self, text: str) -> int:
        """Return the set of releases that a specifier admits, pre-releases included."""
        if not text:
            return self.everything
        if text not in self._masks:
            wanted = specifier(text)
            self._masks[text] = sum(
                release.bit for release in self.releases if wanted.contains(release.version, prereleases=True)
            )
        return self._masks[text]

    def members(self, mask: int) -> tuple[Release, ...]:
        """Return the releases of a set, newest first."""
        if mask not in self._members:
            self._members[mask] = tuple(release for release in reversed(self.releases) if mask & release.bit)
        return self._members[mask]


@dataclass(eq=False)
class Catalogue:
    """Everything known. ``scratch`` holds derived values; it never changes an answer."""

    packages: Mapping[str, Package]
    rows: Rows
    digest: str
    scratch: dict[Any, Any] = field(default_factory=dict, repr=False)

    def info(self, name: str) -> PackageInfo:
        """Return what is known of a package beside its releases."""
        return self.rows.packages.get(name) or PackageInfo(name)

    def amendments(self, release: Release) -> tuple[Amendment, ...]:
        """Return the amendments that hold for a release."""
        if "amendments" not in release.cache:
            release.cache["amendments"] = tuple(
                row
                for row in self.rows.amendments
                if row.package == release.package and row.versions.contains(release.version, prereleases=True)
            )
        found: tuple[Amendment, ...] = release.cache["amendments"]
        return found

    def blocked_versions(self, name: str) -> tuple[str, ...]:
        """Return the versions of a package that are never taken, those that are blocked one by one."""
        return tuple(
            part.version
            for row in self.rows.blocked
            if row.package == canonical(name)
            for part in row.versions
            if part.operator == "==" and not part.version.endswith("*")
        )

    def cpu_flags(self, release: Release, machine: str) -> tuple[str, ...]:
        """Return the CPU flags that a release is compiled for on a machine."""
        own = self.info(release.package).cpu.get(machine, ())
        rows = (
            row.flags
            for row in self.rows.cpu_needs
            if row.package == release.package
            and row.machine == machine
            and row.versions.contains(release.version, prereleases=True)
        )
        return tuple(dict.fromkeys((*own, *(flag for flags in rows for flag in flags))))

    def deciding_flags(self) -> frozenset[str]:
        """Return the CPU flags that releases are compiled for, and those that tell of them."""
        own = {flag for info in self.rows.packages.values() for flags in info.cpu.values() for flag in flags}
        return (
            frozenset(own)
            | {flag for row in self.rows.cpu_needs for flag in row.flags}
            | set(self.rows.cpu_implies)
        )

    def missing_flags(self, wanted: Iterable[str], flags: frozenset[str]) -> list[str]:
        """Return which of the wanted flags a CPU does not have, by those it reports and what they imply."""
        implied = {flag for known in flags for flag in self.rows.cpu_implies.get(known, ())}
        return [flag for flag in wanted if flag not in flags and flag not in implied]

    def rank(self, name: str) -> tuple[int, str]:
        """Return the order in which packages get their newest version."""
        return self.info(name).rank, name

    def threshold(self, rule: str, key: str) -> Any:
        """Return a number that a rule works with; Problem if the row lacks it."""
        row = self.rows.rules.get(rule)
        value = row.thresholds.get(key) if row else None
        if value is None:
            raise Problem(
                "catalogue.malformed", f"rule {rule} has no threshold {key}", "rules.yml", "a value", _REMEDY
            )
        return value


def load(directory: str | Path) -> Catalogue:
    """Read a catalogue directory. Raises Problem "catalogue.…" that names file, row and field; never
    anything else.
    """
    base = Path(directory)
    documents = {name: _yaml(base / name) for name in ROW_FILES}
    files = sorted((base / "packages").glob("*.json"))
    if not files:
        raise Problem(
            "catalogue.missing",
            "no package rows",
            str(base / "packages"),
            "one JSON file per package",
            "Name the catalogue directory (whisperx_plan_catalogue), or run tools/refresh_catalogue.py",
        )
    measured = {path.name: _json(path) for path in files}
    rows = read_rows(documents)
    packages = [read_package(name, data) for name, data in measured.items()]
    return Catalogue(
        packages={package.name: package for package in packages},
        rows=rows,
        digest=_digest(documents, measured),
    )


def with_release(catalogue: Catalogue, name: str, text: str) -> Catalogue:
    """Return a catalogue that also has a release nobody measured: it wants what the newest known one wants,
    any version.

    All releases are copies, so that nothing derived from the other catalogue is taken for this one's.
    """
    packages = {}
    for package in catalogue.packages.values():
        copies = [replace(release, cache={}) for release in package.releases]
        if package.name == name:
            names = {entry.name for release in copies[-1:] for entry in release.requires}
            loose = tuple(requirement(entry) for entry in sorted(names))
            guess = Release(name, text, version(text), None, None, loose, (), {}, invented=True)
            copies = sorted([*copies, guess], key=lambda release: release.version)
        packages[package.name] = Package(package.name, numbered(copies), package.cuda)
    return Catalogue(packages, catalogue.rows, catalogue.digest)


def numbered(releases: list[Release]) -> tuple[Release, ...]:
    """Return the releases of a package, oldest first, each with its place in the sets of them."""
    for index, release in enumerate(releases):
        release.index, release.bit = index, 1 << index
    return tuple(releases)


def read_package(file: str, data: Any) -> Package:
    """Read the measured releases of one package. Raises Problem "catalogue.malformed"."""
    top = Fields(data, "catalogue.malformed", f"packages/{file}", _REMEDY)
    name = canonical(top.needed("package", top.text("package")))
    if "releases" not in top.data:
        raise top.problem("releases", None, "a list of releases")
    releases = [Release.read(name, row) for row in top.children("releases")]
    releases.sort(key=lambda release: release.version)
    for older, newer in pairwise(releases):
        if older.version == newer.version:
            raise top.problem("releases", newer.text, "each version once")
    cuda = top.version("cuda")
    return Package(name, numbered(releases), cuda[0] if cuda else None)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Problem(
            "catalogue.missing",
            error.strerror or "unreadable",
            str(path),
            "a readable catalogue file",
            "Name the catalogue directory in whisperx_plan_catalogue",
        ) from None


def _yaml(path: Path) -> Any:
    try:
        return load_yaml(_read(path))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Problem(
            "catalogue.malformed", " ".join(str(error).split())[:200], path.name, "a YAML file", _REMEDY
        ) from None


def _json(path: Path) -> Any:
    try:
        return json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise Problem(
            "catalogue.malformed", str(error)[:200], f"packages/{path.name}", "a JSON file", _REMEDY
        ) from None


def _digest(documents: Mapping[str, Any], measured: Mapping[str, Any]) -> str:
    """Return the sha256 over the content: order of keys and rows, and the day of measuring, do not count."""
    releases = {
        name: sorted(_compact({**row, "wheels": _by_name(row.get("wheels"))}) for row in data["releases"])
        for name, data in measured.items()
    }
    heads = {
        name: {key: value for key, value in data.items() if key not in ("measured", "releases")}
        for name, data in measured.items()
    }
    return hashlib.sha256(_compact([_plain(documents), heads, releases]).encode()).hexdigest()


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)


def _by_name(wheels: Any) -> Any:
    return sorted(wheels or (), key=_compact)


def _plain(value: Any) -> Any:
    """Return hand-kept rows with texts for keys, and lists of rows in an order of their own."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        items = [_plain(item) for item in value]
        if any(isinstance(item, dict) for item in items):
            items.sort(key=_compact)
        return items
    return value
