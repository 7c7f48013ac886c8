"""The images that are built already: one archive per release, with its record beside it."""

from __future__ import annotations

import glob
import itertools
import os
from typing import Any

from ..whisperx_common.digests import Digests
from ..whisperx_common.files import discard, read_json, write_json
from ..whisperx_common.layers import chains
from .archive import intact, partial
from .model import Job, labels, same

__all__ = ["built", "expected", "keep", "note_pushed", "prune"]

# What is appended to an archive's name: for its record, and for copies that lack layers (the second: "-2").
RECORD = ".json"
UPGRADE = ".upgrade"
# The layers of images that were built here, also of those whose archive is gone: a host may still have them.
LAYERS = "layers.json"
_REMEMBERED = 64
# How many copies are kept beside an archive.
_COPIES = 3


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
        noted = _upgrades(job, record)
        record["upgrades"] = [item for item in noted if _right(digests, str(item["archive"]), item)]
        record["upgrade"] = next(iter(record["upgrades"]), None)
        damaged = [item for item in noted if item not in record["upgrades"]]
        if damaged:
            for item in damaged:
                discard(str(item["archive"]))
            write_json(job.archive + RECORD, record)
        return record
    finally:
        digests.save()


def _upgrades(job: Job, record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the copies that a record notes; earlier versions noted one, without saying what it stands on.

    Each lies beside the archive, whatever directory that was made in.
    """
    noted = record.get("upgrades") or [record.get("upgrade")]
    place = os.path.dirname(job.archive)
    return [
        {"chain": "", **item, "archive": os.path.join(place, os.path.basename(str(item["archive"])))}
        for item in noted
        if item
    ]


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
        "release": job.release,
        "image": job.image,
        "image_id": None,
        "archive": job.archive,
        "bytes": None,
        "layers": [],
        "upgrade": None,
        "upgrades": [],
        "pushed": {},
        "lock": job.wanted.lock_digest,
        "labels": labels(job, base_digest),
    }


def keep(job: Job, result: dict[str, Any]) -> dict[str, Any]:
    """Write the record of a new archive, and copies for hosts that have an image which shares layers with it.

    A copy is at most half as large as the archive. The smallest comes first.
    """
    sizes = {layer["digest"]: int(layer["bytes"]) for layer in result["layers"]}
    digests = _digests(job)
    result = {**result, "sha256": digests.of(job.archive), "upgrades": [], "pushed": {}}
    for number, (release, shared, chain) in enumerate(_shared(job, sizes), 1):
        path = job.archive + UPGRADE + (f"-{number}" if number > 1 else "")
        size = partial(job.archive, path, shared)
        noted = {"from": release, "archive": path, "bytes": size, "sha256": digests.of(path)}
        result["upgrades"].append({**noted, "without": shared, "chain": chain})
    result["upgrade"] = next(iter(result["upgrades"]), None)
    write_json(job.archive + RECORD, result)
    _remember(job, str(result["release"]), list(sizes))
    digests.save()
    return result


def _shared(job: Job, sizes: dict[str, int]) -> list[tuple[str, list[str], str]]:
    """Return what other images have of these layers: a release, the digests, and the digest of their chain
    where they are the lowest layers there and here, else "".

    ``sizes`` are in the image's order. Docker takes a layer from its storage only upon the layers that were
    below it, podman takes it anywhere; so there may be two copies for one image. Each set comes once.
    """
    order, whole = list(sizes), sum(sizes.values())
    found: dict[tuple[str, ...], tuple[str, str]] = {}
    for release, layers in _known(job):
        there = set(layers)
        common = tuple(digest for digest in order if digest in there)
        pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(order, layers, strict=False))
        lowest = tuple(digest for digest, _same in pairs)
        for part in (lowest, common):
            if part and 2 * sum(map(sizes.__getitem__, part)) >= whole:
                chain = chains(part)[-1] if part == lowest else ""
                if part not in found or (chain and not found[part][1]):
                    found[part] = (release, chain)
    rows = [(release, list(part), chain) for part, (release, chain) in found.items()]
    rows.sort(key=lambda row: sum(map(sizes.__getitem__, row[1])), reverse=True)
    return rows[:_COPIES]


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
        for path in (archive + RECORD, archive, *_copies(archive)):
            discard(path)
    records = {name for name in os.listdir(directory) if name.endswith(RECORD)}
    for name in sorted(os.listdir(directory)):
        of = name[: name.find(".tar") + len(".tar")] + RECORD
        if name.endswith(".part") or (".tar" in name and of not in records):
            discard(os.path.join(directory, name))
    return [name[: -len(".tar" + RECORD)] for name in sorted(gone)]


def _known(job: Job) -> list[tuple[str, list[str]]]:
    """Return release and layers, lowest first, of all other images: of every class, the newest first; last
    those whose archive is gone, wherever it was.
    """
    top = job.settings.directory
    paths = [
        os.path.join(top, folder, name)
        for folder in sorted(os.listdir(top))
        if os.path.isdir(os.path.join(top, folder))
        for name in sorted(os.listdir(os.path.join(top, folder)))
        if name.endswith(".tar" + RECORD) and os.path.join(top, folder, name) != job.archive + RECORD
    ]
    paths.sort(key=lambda path: os.stat(path).st_mtime, reverse=True)
    found = [
        (str(record["release"]), [str(layer["digest"]) for layer in record.get("layers") or []])
        for record in map(read_json, paths)
        if record and record.get("release")
    ]
    remembered = (read_json(os.path.join(top, LAYERS)) or {}).get("images") or []
    return found + [(str(row["release"]), list(row["layers"])) for row in reversed(remembered)]


def _remember(job: Job, release: str, layers: list[str]) -> None:
    path = os.path.join(job.settings.directory, LAYERS)
    row = {"release": release, "layers": layers}
    rows = [known for known in (read_json(path) or {}).get("images") or [] if known != row]
    write_json(path, {"images": [*rows, row][-_REMEMBERED:]})


def _others(job: Job) -> list[str]:
    """Return the records of the class's other archives, the newest first."""
    directory = os.path.dirname(job.archive)
    own = os.path.basename(job.archive) + RECORD
    names = [name for name in os.listdir(directory) if name.endswith(".tar" + RECORD) and name != own]
    return sorted(names, key=lambda name: os.stat(os.path.join(directory, name)).st_mtime, reverse=True)


def _copies(archive: str) -> list[str]:
    """Return the paths of the copies beside an archive."""
    return glob.glob(glob.escape(archive + UPGRADE) + "*")


def _size(path: str) -> int:
    """Return a file's size in bytes, -1 when it is gone."""
    try:
        return os.stat(path).st_size
    except OSError:
        return -1
