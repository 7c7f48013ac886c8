"""The images that are built already: one archive per release, with its record beside it."""

from __future__ import annotations

import os
from typing import Any

from ..whisperx_common.digests import Digests
from ..whisperx_common.files import discard, read_json, write_json
from .archive import intact, partial
from .model import Job, labels, same

__all__ = ["built", "expected", "keep", "note_pushed", "prune"]

# What is appended to an archive's name: for its record, and for the copy that lacks layers.
RECORD = ".json"
UPGRADE = ".upgrade"


def built(job: Job, base_digest: str) -> dict[str, Any] | None:
    """Return the record of the image if it is there, whole and of the same plan, lock and base; else None.

    An archive that is another file than was written, and a copy of it, is removed.
    """
    record = read_json(job.archive + RECORD)
    if record is None or not same(job, base_digest, record.get("labels") or {}):
        return None
    digests = _digests(job)
    try:
        if not _right(digests, job.archive, record):
            discard(job.archive + RECORD)
            discard(job.archive)
            return None
        upgrade = record.get("upgrade")
        if upgrade and not _right(digests, job.archive + UPGRADE, upgrade):
            discard(job.archive + UPGRADE)
            record["upgrade"] = None
            write_json(job.archive + RECORD, record)
        return record
    finally:
        digests.save()


def _digests(job: Job) -> Digests:
    return Digests(os.path.join(job.settings.directory, "digests.json"))


def _right(digests: Digests, path: str, noted: dict[str, Any]) -> bool:
    """Return whether a file is the one that was noted, by its digest.

    Of one that an earlier version wrote there is no digest: its parts have theirs in their names.
    """
    try:
        if os.path.islink(path) or _size(path) != noted.get("bytes"):
            return False
        wanted = noted.get("sha256")
        return digests.of(path) == wanted if wanted else intact(path)
    except OSError:
        return False


def expected(job: Job, base_digest: str) -> dict[str, Any]:
    """Return what is known of an image before it is built."""
    return {
        "release": job.wanted.name,
        "image": job.image,
        "image_id": None,
        "archive": job.archive,
        "bytes": None,
        "layers": [],
        "upgrade": None,
        "pushed": {},
        "lock": job.wanted.lock_digest,
        "labels": labels(job, base_digest),
    }


def keep(job: Job, result: dict[str, Any]) -> dict[str, Any]:
    """Write the record of a new archive, and the copy for hosts that have the archive nearest to it, where
    that is at most half as large.
    """
    sizes = {layer["digest"]: int(layer["bytes"]) for layer in result["layers"]}
    nearest, saved = "", 0
    shared: list[str] = []
    for record in _neighbours(job):
        there = {layer["digest"] for layer in record.get("layers") or []}
        common = [digest for digest in sizes if digest in there]
        size = sum(sizes[digest] for digest in common)
        if size > saved:
            nearest, shared, saved = str(record["release"]), common, size
    digests = _digests(job)
    result = {**result, "sha256": digests.of(job.archive), "upgrade": None, "pushed": {}}
    if shared and 2 * saved >= sum(sizes.values()):
        path = job.archive + UPGRADE
        size = partial(job.archive, path, shared)
        result["upgrade"] = {
            "from": nearest,
            "archive": path,
            "bytes": size,
            "sha256": digests.of(path),
            "without": shared,
        }
    write_json(job.archive + RECORD, result)
    digests.save()
    return result


def note_pushed(result: dict[str, Any], remote: str) -> None:
    """Write into the record that a registry has this image under a name."""
    result["pushed"] = {**(result.get("pushed") or {}), remote: result["image_id"]}
    write_json(str(result["archive"]) + RECORD, result)


def prune(job: Job) -> list[str]:
    """Remove the oldest archives of the class beyond ``keep``, and what was never finished; return the names
    of the releases that went.
    """
    directory = os.path.dirname(job.archive)
    gone = _others(job)[max(0, job.settings.keep - 1) :]
    for name in gone:
        # The record first: an archive without one counts as unfinished.
        archive = os.path.join(directory, name[: -len(RECORD)])
        for path in (archive + RECORD, archive, archive + UPGRADE):
            discard(path)
    records = {name for name in os.listdir(directory) if name.endswith(RECORD)}
    for name in sorted(os.listdir(directory)):
        of = name[: name.find(".tar") + len(".tar")] + RECORD
        if name.endswith(".part") or (".tar" in name and of not in records):
            discard(os.path.join(directory, name))
    return [name[: -len(".tar" + RECORD)] for name in sorted(gone)]


def _neighbours(job: Job) -> list[dict[str, Any]]:
    """Return the records of all other archives, of every class, the newest first."""
    top = job.settings.directory
    paths = [
        os.path.join(top, folder, name)
        for folder in sorted(os.listdir(top))
        if os.path.isdir(os.path.join(top, folder))
        for name in sorted(os.listdir(os.path.join(top, folder)))
        if name.endswith(".tar" + RECORD) and os.path.join(top, folder, name) != job.archive + RECORD
    ]
    paths.sort(key=lambda path: os.stat(path).st_mtime, reverse=True)
    return [record for record in map(read_json, paths) if record and record.get("release")]


def _others(job: Job) -> list[str]:
    """Return the records of the class's other archives, the newest first."""
    directory = os.path.dirname(job.archive)
    own = os.path.basename(job.archive) + RECORD
    names = [name for name in os.listdir(directory) if name.endswith(".tar" + RECORD) and name != own]
    return sorted(names, key=lambda name: os.stat(os.path.join(directory, name)).st_mtime, reverse=True)


def _size(path: str) -> int:
    """Return a file's size in bytes, -1 when it is gone."""
    try:
        return os.stat(path).st_size
    except OSError:
        return -1
