"""One directory with all that a site without a network needs; made in one place, checked in another.

bundle.json        what it is, for which classes, with which catalogue
locks/CLASS.txt    the locks
wheels/<SHA-256>/  every wheel of every lock
uv/<SHA-256>/uv    uv, one per kind of machine
catalogue/         the knowledge it was decided with
sbom/CLASS.cdx.json
SHA256SUMS         of all of the above; `sha256sum --check SHA256SUMS` reads it
"""

from __future__ import annotations

import email
import hashlib
import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

from ..whisperx_common.lockfile import parse
from ..whisperx_problem import Problem
from ..whisperx_sbom.cyclonedx import document
from .house import House

__all__ = ["SUMS", "check", "make"]

SUMS = "SHA256SUMS"
SCHEMA = 1
_LINE = re.compile(r"([0-9a-f]{64})  ([^\n]+)")


@dataclass(frozen=True)
class Made:
    """What a bundle holds: its files, and their bytes."""

    files: int
    bytes: int
    changed: bool


def make(out: Path, locks: Mapping[str, Mapping[str, Any]], house: House, catalogue: Path) -> Made:
    """Write the bundle ``out`` from a filled house; ``locks`` are whisperx_lock's, by class.

    What is there and right is left alone, what is ours and no longer named goes. ``catalogue`` may not exist.
    Raises Problem "bundle.foreign-directory", "bundle.directory".
    """
    before = _sums(out)
    if out.exists() and before is None and any(out.iterdir()):
        raise Problem(
            "bundle.foreign-directory",
            "a directory with other contents",
            str(out),
            "an absent or empty directory, or a bundle",
            "Set whisperx_wheelhouse_output to another one.",
        )
    try:
        wanted = _contents(out, locks, house, catalogue)
        for name in sorted(set(before or {}) - set(wanted)):
            (out / name).unlink(missing_ok=True)
        text = "".join(f"{wanted[name]}  {name}\n" for name in sorted(wanted))
        _write(out / SUMS, text)
    except OSError as error:
        raise Problem(
            "bundle.directory",
            f"the bundle cannot be written: {error.strerror}",
            str(error.filename or out),
            "a directory with room that this user may write",
            "Set whisperx_wheelhouse_output to one.",
        ) from None
    size = sum((out / name).stat().st_size for name in wanted)
    return Made(len(wanted), size, before != wanted)


def check(root: Path) -> dict[str, Any]:
    """Compare every file of a bundle with its digest; return bundle.json. Raises Problem ("bundle.…")."""
    sums = _sums(root)
    if sums is None or "bundle.json" not in sums:
        raise Problem(
            "bundle.none",
            f"no bundle is there: {SUMS} is missing, or lists no bundle.json",
            str(root),
            "a directory that playbooks/bundle.yml made",
            "Set whisperx_wheelhouse_bundle to it; unpack it first if it is an archive.",
        )
    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(sums, pool.map(lambda name: _digest(root / name), sums), strict=True))
    wrong = [f"{name} is missing" for name in sums if found[name] is None]
    wrong += [f"{name} is damaged" for name in sums if found[name] not in (None, sums[name])]
    if wrong:
        more = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise Problem(
            "bundle.damaged",
            "the bundle is not as it was made: " + ", ".join(wrong[:3]) + more,
            str(root),
            f"every file of {SUMS}, with its digest",
            "Copy the bundle anew, or make it again with playbooks/bundle.yml.",
        )
    record: dict[str, Any] = json.loads((root / "bundle.json").read_text())
    if record.get("schema") != SCHEMA:
        raise Problem(
            "bundle.schema",
            f"a bundle of schema {record.get('schema')}",
            str(root / "bundle.json"),
            f"schema {SCHEMA}",
            "Make the bundle with the checkout that installs from it.",
        )
    return record


def _contents(
    out: Path, locks: Mapping[str, Mapping[str, Any]], house: House, catalogue: Path
) -> dict[str, str]:
    """Put every file into its place; return name -> SHA-256."""
    found: dict[str, str] = {}
    for name, lock in sorted(locks.items()):
        found |= _text(out, f"locks/{name}.txt", lock["text"])
        found |= _text(out, f"sbom/{name}.cdx.json", _sbom(name, lock["text"], lock, house))
        found |= _file(out, f"uv/{lock['uv']['sha256']}/uv", Path(lock["uv"]["path"]), 0o755)
        for sha256, path in _wheels(lock, house):
            found |= _file(out, f"wheels/{sha256}/{path.name}", path, 0o644)
    for path in sorted(catalogue.rglob("*")):
        if path.is_file():
            found |= _file(out, f"catalogue/{path.relative_to(catalogue)}", path, 0o644)
    return found | _text(out, "bundle.json", _record(locks))


def _record(locks: Mapping[str, Mapping[str, Any]]) -> str:
    classes = {}
    for name, lock in locks.items():
        header = parse(lock["text"]).header
        keys = ("request", "platform", "python", "device", "torch-build", "catalogue", "bytes")
        classes[name] = {key: header[key] for key in keys} | {"lock": lock["digest"]}
    return json.dumps({"schema": SCHEMA, "classes": classes}, indent=1, sort_keys=True) + "\n"


def _wheels(lock: Mapping[str, Any], house: House) -> Iterator[tuple[str, Path]]:
    """Yield digest and path of every wheel of a lock, of those too that no index has."""
    here = {entry["sha256"]: Path(entry["path"]) for entry in lock.get("files") or ()}
    for package in parse(lock["text"]).packages:
        yield package.sha256, here.get(package.sha256, house.path(package.sha256, package.file))


def _sbom(name: str, text: str, lock: Mapping[str, Any], house: House) -> str:
    parsed = parse(text)
    paths = dict(_wheels(lock, house))
    metadata = {package.name: _metadata(paths[package.sha256]) for package in parsed.packages}
    return json.dumps(document(name, parsed, text, metadata), indent=1, sort_keys=True) + "\n"


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        name = next(one for one in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", one))
        return email.message_from_bytes(archive.read(name))


def _text(out: Path, name: str, text: str) -> dict[str, str]:
    data = text.encode()
    target = out / name
    if not target.is_file() or target.read_bytes() != data:
        _write(target, text)
    return {name: hashlib.sha256(data).hexdigest()}


def _write(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(target.name + ".new")
    beside.write_text(text, encoding="utf-8")
    beside.chmod(0o644)
    os.replace(beside, target)


def _file(out: Path, name: str, source: Path, mode: int) -> dict[str, str]:
    """Copy a file, unless it is there. What has its digest in its path is trusted to have it by size."""
    target = out / name
    digest = Path(name).parent.name
    by_digest = re.fullmatch("[0-9a-f]{64}", digest) is not None
    there = target.is_file() and target.stat().st_size == source.stat().st_size
    if not (there and by_digest):
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(target.name + ".new")
        shutil.copyfile(source, beside)
        beside.chmod(mode)
        os.replace(beside, target)
    return {name: digest if by_digest else _digest(target) or ""}


def _sums(root: Path) -> dict[str, str] | None:
    """Return name -> SHA-256 of a bundle, None when there is none. Raises Problem "bundle.damaged"."""
    path = root / SUMS
    if not path.is_file():
        return None
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        match = _LINE.fullmatch(line)
        if match is None or ".." in Path(match.group(2)).parts or match.group(2).startswith("/"):
            raise Problem(
                "bundle.damaged",
                f"{SUMS} has a line that is none of its own",
                str(path),
                "lines of a SHA-256, two spaces and a name",
                "Copy the bundle anew, or make it again with playbooks/bundle.yml.",
            )
        found[match.group(2)] = match.group(1)
    return found


def _digest(path: Path) -> str | None:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None
