#!/usr/bin/env python3
"""Put the collections of requirements.yml into the environment that runs this.

    .venv/bin/python tools/fetch_collections.py

They come out of the `ansible` package on the package index, pinned by hash in requirements/collections.txt:
Galaxy need not be reachable. Of its hundred collections only those named, and what their manifests want, are
unpacked. One that the environment has already in a version that fits is left as it is.

Exit codes: 0 they are there, 2 a problem, told in a sentence.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from module_utils.whisperx_problem import Problem  # noqa: E402

__all__ = ["download", "lacking", "main", "unpack", "wanted"]

LOCK = ROOT / "requirements/collections.txt"
TOP = "ansible_collections"


def main() -> int:
    """Run the tool; returns its exit code."""
    target = Path(sysconfig.get_path("purelib")) / TOP
    names = wanted(ROOT / "requirements.yml")
    try:
        if lacking(names, target):
            with tempfile.TemporaryDirectory() as directory:
                unpack(download(LOCK, Path(directory)), names, target)
    except Problem as problem:
        print(problem.sentence(), file=sys.stderr)
        return 2
    return 0


def wanted(path: Path) -> dict[str, str]:
    """Return the collections of a requirements.yml: name -> range of versions, "" for any."""
    rows = yaml.safe_load(path.read_text(encoding="utf-8"))["collections"]
    return {row["name"]: str(row.get("version", "")) for row in rows}


def lacking(names: Mapping[str, str], target: Path) -> dict[str, str]:
    """Return those of ``names`` that ``target``, an ansible_collections directory, has not in a version that
    fits, or whose own dependencies it has not."""
    found: dict[str, str] = {}
    waiting = dict(names)
    seen: set[str] = set()
    while waiting:
        name, versions = waiting.popitem()
        if name in seen:
            continue
        seen.add(name)
        manifest = target.joinpath(*name.split("."), "MANIFEST.json")
        facts = _manifest(manifest.read_bytes() if manifest.is_file() else b"")
        if facts is None or not _fits(str(facts["version"]), versions):
            found[name] = versions
        else:
            waiting.update(_dependencies(facts))
    return found


def download(lock: Path, directory: Path) -> Path:
    """Let pip fetch the locked package into ``directory``; return the wheel. Raises Problem."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    result = subprocess.run(
        [*command, "--require-hashes", "--dest", str(directory), "--requirement", str(lock)],
        check=False,
        stderr=subprocess.PIPE,
        text=True,
    )
    wheels = list(directory.glob("*.whl"))
    if result.returncode or len(wheels) != 1:
        told = [line for line in result.stderr.splitlines() if line.startswith("ERROR")] or ["no wheel"]
        raise Problem(
            "preflight.collections",
            f"pip cannot download the collections: {told[-1]}",
            str(lock),
            "the package `ansible` of that version on the index that pip is configured for",
            "Add it to your mirror, or install the collections yourself: "
            "ansible-galaxy collection install -r requirements.yml",
        )
    return wheels[0]


def unpack(wheel: Path, names: Mapping[str, str], target: Path) -> None:
    """Unpack the collections ``names``, and what they want, from ``wheel`` below ``target``.

    One that is there already is replaced as a whole. Raises Problem where the wheel has none of a name, or
    another version than ``names`` and the collections' manifests admit.
    """
    with zipfile.ZipFile(wheel) as archive:
        members: dict[str, list[zipfile.ZipInfo]] = {}
        for member in archive.infolist():
            parts = PurePosixPath(member.filename).parts
            if len(parts) > 3 and parts[0] == TOP and ".." not in parts and not member.is_dir():
                members.setdefault(".".join(parts[1:3]), []).append(member)
        waiting, seen = dict(names), set[str]()
        while waiting:
            name, versions = waiting.popitem()
            if name in seen:
                continue
            seen.add(name)
            found = members.get(name, [])
            own = {PurePosixPath(*PurePosixPath(item.filename).parts[3:]): item for item in found}
            manifest = own.get(PurePosixPath("MANIFEST.json"))
            facts = _manifest(archive.read(manifest) if manifest else b"")
            if facts is None or not _fits(str(facts["version"]), versions):
                raise Problem(
                    "preflight.collections",
                    f"it has {name} {facts['version'] if facts else 'not at all'}",
                    wheel.name,
                    f"{name} {versions}".strip(),
                    "Lock another release of `ansible`: make lock-requirements",
                )
            waiting.update(_dependencies(facts))
            _replace(archive, own, target.joinpath(*name.split(".")))


def _replace(archive: zipfile.ZipFile, own: Mapping[PurePosixPath, zipfile.ZipInfo], place: Path) -> None:
    """Write a collection beside its place, then move it there: one that was cut short is never found."""
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".fetched-", dir=place.parent))
    try:
        for name, member in own.items():
            path = fresh.joinpath(*name.parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, path.open("wb") as copy:
                shutil.copyfileobj(source, copy)
        fresh.chmod(0o755)
        if place.exists():
            shutil.rmtree(place)
        os.replace(fresh, place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _manifest(data: bytes) -> dict[str, object] | None:
    """The facts of a MANIFEST.json; None where there is none that can be read."""
    try:
        facts = json.loads(data)["collection_info"]
    except (ValueError, KeyError, TypeError):
        return None
    return facts if isinstance(facts, dict) and "version" in facts else None


def _dependencies(facts: Mapping[str, object]) -> dict[str, str]:
    listed = facts.get("dependencies")
    return {str(name): str(versions) for name, versions in listed.items()} if isinstance(listed, dict) else {}


def _fits(version: str, versions: str) -> bool:
    """Whether a version is in a range as requirements.yml and manifests write it; "*" is any."""
    return SpecifierSet("" if versions == "*" else versions).contains(version, prereleases=True)


if __name__ == "__main__":
    sys.exit(main())
