"""The images that are built already: one archive per release, with its record beside it."""

from __future__ import annotations

import os
from typing import Any

from ..whisperx_env.files import discard, read_json
from .model import Job, labels, same

__all__ = ["RECORD", "built", "expected", "prune"]

# What is appended to an archive's name for its record.
RECORD = ".json"


def built(job: Job, base_digest: str) -> dict[str, Any] | None:
    """Return the record of the image if it is there, whole and of the same plan, lock and base; else None."""
    record = read_json(job.archive + RECORD)
    if record is None or not same(job, base_digest, record.get("labels") or {}):
        return None
    try:
        whole = os.stat(job.archive).st_size == record.get("bytes")
    except OSError:
        return None
    return dict(record, archive=job.archive) if whole else None


def expected(job: Job, base_digest: str) -> dict[str, Any]:
    """Return what is known of an image before it is built."""
    return {
        "release": job.wanted.name,
        "image": job.image,
        "image_id": None,
        "archive": job.archive,
        "bytes": None,
        "layers": [],
        "lock": job.wanted.lock_digest,
        "labels": labels(job, base_digest),
    }


def prune(job: Job) -> list[str]:
    """Remove the oldest archives of the class beyond ``keep``; return the names of their releases."""
    directory = os.path.dirname(job.archive)
    names = [name for name in os.listdir(directory) if name.endswith(".tar" + RECORD)]
    ages = {name: os.stat(os.path.join(directory, name)).st_mtime for name in names}
    own = os.path.basename(job.archive) + RECORD
    others = sorted((name for name in names if name != own), key=lambda name: ages[name], reverse=True)
    gone = others[max(0, job.settings.keep - 1) :]
    for name in gone:
        # The record first: an archive without one counts as unfinished.
        discard(os.path.join(directory, name))
        discard(os.path.join(directory, name[: -len(RECORD)]))
    for name in os.listdir(directory):
        if name.endswith(".part") or (
            name.endswith(".tar") and name + RECORD not in names and name + RECORD != own
        ):
            discard(os.path.join(directory, name))
    return [name[: -len(".tar" + RECORD)] for name in sorted(gone)]
