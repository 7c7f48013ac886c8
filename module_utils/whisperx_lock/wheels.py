"""Wheels that are not simply taken from an index: built, repaired, or lying in a directory of the user's."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..whisperx_abi.repair import TOOL, clear_execstack
from ..whisperx_common.extras import Extra
from ..whisperx_common.lockfile import Lock, LockedPackage
from ..whisperx_common.names import normalise
from ..whisperx_common.noted import noted
from ..whisperx_libraries import Version, parse_wheel_filename
from ..whisperx_problem import Problem
from .contents import read_contents
from .files import Store, download, repack
from .fit import extras_of, pins_of
from .further import check_commands
from .pylock import Wheel, read_pylock, read_sdist
from .uv import Question, Uv

__all__ = ["LocalFile", "Wheels"]


@dataclass(frozen=True)
class LocalFile:
    """A wheel that travels with the run: its name and SHA-256 in the lock, its path on the controller."""

    file: str
    sha256: str
    path: str


@dataclass(frozen=True)
class Wheels:
    """Makes and finds such wheels. A ``house`` has them all, as HOUSE/SHA256/FILE.

    ``site``: SHA-256 to path of the wheels of whisperx_plan_wheels.
    """

    uv: Uv
    store: Store
    house: Path | None = None
    site: Mapping[str, str] = field(default_factory=dict)

    def built(self, plan: Mapping[str, Any]) -> dict[str, Path]:
        """Return name -> wheel of what the plan wants built from source. Builds what the cache lacks."""
        return {normalise(row["package"]): self._built(row) for row in plan.get("built_from_sdist") or ()}

    def own(self, plan: Mapping[str, Any]) -> tuple[Path, ...]:
        """Return the user's own wheels that a plan takes, each alone in a directory for the resolver.

        Others that would run too are not shown: a pin of a version admits all builds of it, by PEP 440.
        """
        pins = pins_of(plan)
        rows = [
            row
            for row in plan.get("wheels") or ()
            if row["sha256"] in self.site and pins.get(row["package"], row["version"]) == row["version"]
        ]
        return tuple(self.store.shown(row["file"], row["sha256"], self.site[row["sha256"]]) for row in rows)

    def locked(self, wheel: Wheel, built: Mapping[str, Path], plan: Mapping[str, Any]) -> LockedPackage:
        """Return the lock's entry for a wheel that uv chose, repaired if the plan says so."""
        if wheel.name in {normalise(row["package"]) for row in plan.get("repairs") or ()}:
            path = self._repaired(wheel)
            version = str(parse_wheel_filename(path.name)[1])
            origin = f"repaired:{wheel.sha256}"
            size = path.stat().st_size
            return LockedPackage(wheel.name, version, self.store.digest(path), path.name, size, origin)
        origin = "index"
        if wheel.sha256 in {row["sha256"] for row in plan.get("wheels") or ()}:
            origin = "site"
        elif wheel.local:
            ours = built.get(wheel.name)
            origin = "built" if ours is not None and Path(wheel.path).resolve() == ours.resolve() else "local"
        known = Path(wheel.path).stat().st_size if wheel.local else wheel.size
        return LockedPackage(wheel.name, wheel.version, wheel.sha256, wheel.file, known, origin)

    def files(self, lock: Lock, plan: Mapping[str, Any]) -> tuple[LocalFile, ...]:
        """Return the files of a lock that travel with the run. Raises Problem ("lock.local-file")."""
        return tuple(
            LocalFile(package.file, package.sha256, str(self._path(package, plan)))
            for package in lock.packages
            if package.travels
        )

    def extras(self, wheels: Iterable[Wheel], plan: Mapping[str, Any]) -> tuple[Extra, ...]:
        """Return what the plan's extras have: modules and commands, read from their wheels.

        A wheel of an index is downloaded for that once. Raises Problem ("lock.wheel", "lock.command-clash").
        """
        asked = extras_of(plan)
        found = []
        for wheel in wheels:
            if wheel.name in asked:
                recipe = {"kind": "contents", "sha256": wheel.sha256}
                known = noted(str(self.store.root), recipe, self._contents(wheel))
                found.append(
                    Extra(wheel.name, asked[wheel.name], tuple(known["modules"]), tuple(known["commands"]))
                )
        check_commands(found, plan)
        return tuple(found)

    def _contents(self, wheel: Wheel) -> Callable[[], dict[str, Any]]:
        def read() -> dict[str, Any]:
            with tempfile.TemporaryDirectory(prefix="whisperx-extra-") as name:
                path = Path(wheel.path) if wheel.local else Path(name) / wheel.file
                if not wheel.local:
                    download(wheel.url, wheel.sha256, path, self.uv.sources)
                return dict(read_contents(path, wheel.name))

        return read

    def _path(self, package: LockedPackage, plan: Mapping[str, Any]) -> Path:
        if self.house:
            candidates = [self.house / package.sha256 / package.file]
        elif package.origin == "site":
            candidates = [Path(self.site[package.sha256])] if package.sha256 in self.site else []
        elif package.origin == "local":
            candidates = [folder / package.file for folder in self.uv.sources.find_links]
        else:
            found = self.store.find(package.file, package.sha256)
            candidates = [found] if found else self._fresh(package, plan)
        for path in candidates:
            if path.is_file() and self.store.digest(path) == package.sha256:
                return path
        if package.origin == "site":
            raise _another(package, plan)
        raise Problem(
            "lock.local-file",
            f"the lock's {package.file} is not there ({package.origin})",
            ", ".join(str(path) for path in candidates) or "the cache",
            f"the file with SHA-256 {package.sha256}",
            "Put it into a directory of whisperx_plan_find_links, or run with whisperx_plan_state=upgrade.",
        )

    def _fresh(self, package: LockedPackage, plan: Mapping[str, Any]) -> list[Path]:
        """Return what is made for a package; what was made before and is another file now is made again."""
        made = self._again(package, plan)
        wrong = [path for path in made if self.store.digest(path) != package.sha256]
        for path in wrong:
            self.store.forget(path)
        return self._again(package, plan) if wrong else made

    def _again(self, package: LockedPackage, plan: Mapping[str, Any]) -> list[Path]:
        """Make a wheel that another controller made. Returns what came of it, at most one path."""
        if package.origin == "built":
            rows = [row for row in plan.get("built_from_sdist") or () if _is(row, package)]
            return [self._built(row) for row in rows[:1]]
        for row in plan.get("wheels") or ():
            if package.origin == f"repaired:{row['sha256']}" and row["sha256"] in self.site:
                return [self._repaired(_given(row, self.site[row["sha256"]]))]
        requirement = f"{package.name}=={Version(package.version).public}"
        python, platform = str(plan["python"]), str(plan["platform"])
        answer = self.uv.compile(Question((requirement,), python, platform, dependencies=False))
        wheels = read_pylock(answer, platform, python)
        return [self._repaired(wheel) for wheel in wheels if package.origin == f"repaired:{wheel.sha256}"]

    def _repaired(self, wheel: Wheel) -> Path:
        recipe = {"kind": "repaired", "tool": TOOL, "file": wheel.file, "sha256": wheel.sha256}

        def make(folder: Path) -> Path:
            with tempfile.TemporaryDirectory(prefix="whisperx-repair-") as name:
                original = Path(wheel.path)
                if not wheel.local:
                    original = Path(name) / wheel.file
                    download(wheel.url, wheel.sha256, original, self.uv.sources)
                return Path(clear_execstack(str(original), str(folder)).path)

        return self.store.made(recipe, make)

    def _built(self, row: Mapping[str, Any]) -> Path:
        recipe = {
            "kind": "built",
            "package": normalise(row["package"]),
            "version": row["version"],
            "sdist_sha256": row["sdist_sha256"],
            "build_requires": [_hashed(line, row["package"]) for line in row["build_requires"]],
        }

        def make(folder: Path) -> Path:
            with tempfile.TemporaryDirectory(prefix="whisperx-sdist-") as name:
                scratch = Path(name)
                sdist = self._sdist(recipe, scratch)
                (scratch / "out").mkdir()
                wheel = self.uv.build(sdist, recipe["build_requires"], scratch / "out")
                repack(wheel, folder / wheel.name)
            return folder / wheel.name

        return self.store.made(recipe, make)

    def _sdist(self, recipe: Mapping[str, Any], folder: Path) -> Path:
        """Fetch the source distribution that the recipe names by its SHA-256."""
        package = str(recipe["package"])
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        question = Question(
            (f"{package}=={recipe['version']}",),
            python=python,
            platform="",
            dependencies=False,
            sdist=package,
        )
        url, file, sha256 = read_sdist(self.uv.compile(question))
        if sha256 != recipe["sdist_sha256"]:
            raise Problem(
                "lock.wrong-hash",
                f"the index lists {file} with SHA-256 {sha256}",
                self.uv.sources.name_of(url),
                str(recipe["sdist_sha256"]),
                "Do not use this index until it is known why the file changed.",
            )
        download(url, sha256, folder / file, self.uv.sources)
        return folder / file


def _given(row: Mapping[str, Any], path: str) -> Wheel:
    """Return one of the user's wheels as if the resolver had chosen it."""
    url = Path(path).absolute().as_uri()
    return Wheel(row["package"], row["version"], row["file"], url, row["sha256"], row["size"])


def _another(package: LockedPackage, plan: Mapping[str, Any]) -> Problem:
    """Return what to say of a wheel whose name and version stayed, and whose contents did not."""
    given = [row for row in plan.get("wheels") or () if (row["package"], row["version"]) == _key(package)]
    found = f"SHA-256 {given[0]['sha256']}" if given else "no such wheel"
    return Problem(
        "lock.local-file",
        f"{package.file} of whisperx_plan_wheels is not the locked one: {found}",
        "whisperx_plan_wheels",
        f"the file with SHA-256 {package.sha256}",
        "Restore it, give the new build another local version, or run with whisperx_plan_state=upgrade.",
    )


def _key(package: LockedPackage) -> tuple[str, str]:
    return package.name, package.version


def _hashed(line: str, package: str) -> str:
    if "--hash=sha256:" not in line:
        raise Problem(
            "lock.plan",
            f"'{line}', which is needed to build {package}, has no digest",
            "built_from_sdist",
            "NAME==VERSION --hash=sha256:…",
            "Add the digest to the catalogue's row.",
        )
    return line


def _is(row: Mapping[str, Any], package: LockedPackage) -> bool:
    return normalise(row["package"]) == package.name and str(row["version"]) == package.version
