"""One directory with all that a site without a network needs; made in one place, checked in another.

bundle.json        what it is, for which classes, with which catalogue
locks/CLASS.txt    the locks
wheels/<SHA-256>/  every wheel of every lock
models/<SHA-256>/  every file of every model, if there are any; locks/models.txt names them
pythons/<SHA-256>/ the archive of every managed Python
uv/<SHA-256>/uv    uv, one per kind of machine
catalogue/         the knowledge it was decided with
sbom/CLASS.cdx.json
SHA256SUMS         of all of the above, and nothing else is there; `sha256sum --check SHA256SUMS` reads it
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..whisperx_common.durable import make_directories, replace
from ..whisperx_common.files import is_leftover, write_text
from ..whisperx_common.lockfile import parse
from ..whisperx_common.models import LOCK as MODELS
from ..whisperx_common.wording import named, printable
from ..whisperx_problem import Problem
from ..whisperx_sbom.cyclonedx import document
from .house import House
from .listing import SCHEMA, SUMS, Listing, members, read_listing
from .metadata import read_metadata

__all__ = ["Models", "make"]

# What the parts of a bundle begin with.
_OURS = re.compile(r"(locks|wheels|models|pythons|uv|catalogue|sbom)/|(bundle\.json|SHA256SUMS)(\..*new)?$")
_BLOCK = 1 << 20
# What whisperx_plan reads of a bundle, and what of a wheel's record is true of one run on one controller.
MEASURED = "catalogue/wheels.json"
_OF_THIS_RUN = ("path", "hosts", "why")


@dataclass(frozen=True)
class Made:
    """What a bundle holds: its files, their bytes, and the SHA-256 of its list."""

    files: int
    bytes: int
    changed: bool
    digest: str


@dataclass(frozen=True)
class Models:
    """The lock of models, and SHA-256 to file of all that it names."""

    lock: str = ""
    files: Mapping[str, Path] = field(default_factory=dict)


def make(
    out: Path,
    locks: Mapping[str, Mapping[str, Any]],
    house: House,
    catalogue: Path,
    wheels: Sequence[Mapping[str, Any]] = (),
    models: Models = Models(),
) -> Made:
    """Write the bundle ``out`` from a filled house; ``locks`` are whisperx_lock's, by class.

    What is there and right is left alone, what is ours and no longer named goes. ``catalogue`` may not exist.
    ``wheels`` are whisperx_plan's; of those in the locks the bundle has what was measured.
    Raises Problem "bundle.foreign-directory", "bundle.directory", "bundle.wheel", "wheelhouse.wrong-hash".
    """
    before = _there(out)
    try:
        if before is None:
            out.mkdir(parents=True, exist_ok=True)
            _write(out / SUMS, "")  # so that a run that was cut off is taken up by the next one
        wanted = _contents(out, locks, house, catalogue) | _measured(out, locks, wheels)
        wanted |= _models(out, models)
        for name in [name for name, _regular in members(out) if name not in wanted and name != SUMS]:
            (out / name).unlink()
        text = "".join(f"{wanted[name]}  {name}\n" for name in sorted(wanted))
        _write(out / SUMS, text)
    except OSError as error:
        raise Problem(
            "bundle.directory",
            f"the bundle cannot be written: {error.strerror}",
            str(error.filename or out),
            "a directory with free space that this user may write",
            "Set whisperx_wheelhouse_output to one.",
        ) from None
    size = sum((out / name).stat().st_size for name in wanted)
    changed = before is None or before.files != wanted
    return Made(len(wanted), size, changed, hashlib.sha256(text.encode()).hexdigest())


def _there(out: Path) -> Listing | None:
    """Return the list of the bundle that is at ``out``, None for an absent or empty directory.

    Raises Problem "bundle.foreign-directory" where something else is there, even beside a bundle: links as
    well, through which one would write elsewhere.
    """
    before = read_listing(out)
    found = dict(members(out)) if os.path.lexists(out) else {}
    # A run that was killed in its first instant left a part of the list alone.
    begun = {name for name, regular in found.items() if regular and is_leftover(name, SUMS)}
    strange = [name for name, regular in found.items() if not regular or not _OURS.match(name)]
    odd = strange if before is not None else sorted(set(found) - begun)
    if odd:
        raise Problem(
            "bundle.foreign-directory",
            "a directory with other contents: " + named([printable(name) for name in sorted(odd)], 3),
            str(out),
            "an absent or empty directory, or a bundle",
            "Set whisperx_wheelhouse_output to another one.",
        )
    return before


def _contents(
    out: Path, locks: Mapping[str, Mapping[str, Any]], house: House, catalogue: Path
) -> dict[str, str]:
    """Put every file into its place; return name -> SHA-256."""
    found: dict[str, str] = {}
    for name, lock in sorted(locks.items()):
        found |= _text(out, f"locks/{name}.txt", lock["text"])
        found |= _text(out, f"sbom/{name}.cdx.json", _sbom(name, lock["text"], lock, house))
        found |= _file(out, f"uv/{lock['uv']['sha256']}/uv", Path(lock["uv"]["path"]), 0o755)
        for sha256, path in _pythons(lock):
            found |= _file(out, f"pythons/{sha256}/{path.name}", path, 0o644)
        for sha256, path in _wheels(lock, house):
            found |= _file(out, f"wheels/{sha256}/{path.name}", path, 0o644)
    for path in sorted(catalogue.rglob("*")):
        if path.is_file():
            found |= _file(out, f"catalogue/{path.relative_to(catalogue)}", path, 0o644)
    return found | _text(out, "bundle.json", _record(locks))


def _measured(
    out: Path, locks: Mapping[str, Mapping[str, Any]], wheels: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """Put the rows of the user's own wheels beside the catalogue: with the bundle, the same is decided."""
    packages = [package for lock in locks.values() for package in parse(lock["text"]).packages]
    named = {package.sha256 for package in packages} | {
        package.origin.partition(":")[2] for package in packages if package.origin.startswith("repaired:")
    }
    rows = [
        {key: value for key, value in row.items() if key not in _OF_THIS_RUN}
        for row in wheels
        if row["sha256"] in named
    ]
    rows.sort(key=lambda row: str(row["sha256"]))
    return _text(out, MEASURED, json.dumps(rows, indent=1, sort_keys=True) + "\n") if rows else {}


def _models(out: Path, models: Models) -> dict[str, str]:
    """Put the files of models into their place, as in the store of a site."""
    found = _text(out, f"locks/{MODELS}.txt", models.lock) if models.lock else {}
    for sha256, path in sorted(models.files.items()):
        found |= _file(out, f"models/{sha256}/{path.name}", path, 0o644)
    return found


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


def _pythons(lock: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    """Yield digest and path of the archive of a lock's managed Python, if it has one."""
    archive = parse(lock["text"]).archive
    for entry in lock.get("files") or ():
        if archive is not None and entry["sha256"] == archive.sha256:
            yield archive.sha256, Path(entry["path"])


def _sbom(name: str, text: str, lock: Mapping[str, Any], house: House) -> str:
    parsed = parse(text)
    paths = dict(_wheels(lock, house))
    metadata = {package.name: read_metadata(paths[package.sha256]) for package in parsed.packages}
    return json.dumps(document(name, parsed, text, metadata), indent=1, sort_keys=True) + "\n"


def _text(out: Path, name: str, text: str) -> dict[str, str]:
    data = text.encode()
    target = out / name
    if not target.is_file() or target.read_bytes() != data:
        _write(target, text)
    return {name: hashlib.sha256(data).hexdigest()}


def _write(target: Path, text: str) -> None:
    make_directories(str(target.parent), None)
    write_text(str(target), text)


def _file(out: Path, name: str, source: Path, mode: int) -> dict[str, str]:
    """Link or copy a file, unless it is there. What has a digest in its path is compared with that, on both
    sides.

    Raises Problem "wheelhouse.wrong-hash" where the source is another file than it is filed as.
    """
    target = out / name
    filed = Path(name).parent.name
    wanted = filed if re.fullmatch("[0-9a-f]{64}", filed) else _digest(source)
    if not (target.is_file() and _digest(target) == wanted):
        make_directories(str(target.parent), None)
        beside = target.with_name(target.name + ".new")
        beside.unlink(missing_ok=True)
        digest = _digest(beside) if _linked(source, beside, mode) else _copied(source, beside, mode)
        if digest != wanted:
            beside.unlink()
            raise Problem(
                "wheelhouse.wrong-hash",
                f"{printable(source.name)} has SHA-256 {digest}",
                printable(str(source)),
                f"SHA-256 {wanted}",
                "The file was changed on the controller; run again, which downloads or builds it again.",
            )
        replace(str(beside), str(target))
    return {name: wanted}


def _linked(source: Path, beside: Path, mode: int) -> bool:
    """Whether ``beside`` is now another name of the file, which takes neither time nor room.

    Only of a file that is as the bundle's own would be, since both then have its owner and its mode. What
    changes it later is found by its digest, in the store as in the bundle.
    """
    found = source.lstat()
    alike = (
        stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) == mode
    )
    if not alike:
        return False
    try:
        os.link(source, beside)
    except OSError:
        return False  # another file system, or one without hard links
    return True


def _copied(source: Path, beside: Path, mode: int) -> str:
    """Copy the file; return the SHA-256 of what was written."""
    copied = hashlib.sha256()
    with source.open("rb") as stream, beside.open("wb") as copy:
        while block := stream.read(_BLOCK):
            copied.update(block)
            copy.write(block)
    beside.chmod(mode)
    return copied.hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
