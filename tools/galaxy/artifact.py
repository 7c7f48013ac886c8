"""The archive of a collection, the same bytes from the same files."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["build"]

_LISTING, _MANIFEST = "FILES.json", "MANIFEST.json"
# 1980: the oldest date that every archive format can say.
_EPOCH = 315532800


def build(staged: Path, output: Path) -> Path:
    """Build the archive of a staged collection into ``output``; return its path.

    ansible-galaxy makes it; then order, dates and owners are made those of every build. SOURCE_DATE_EPOCH is
    the date of all files. Raises subprocess.CalledProcessError if ansible-galaxy refuses.
    """
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        galaxy = str(Path(sys.executable).parent / "ansible-galaxy")
        command = [galaxy, "collection", "build", str(staged), "--output-path", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (made,) = Path(folder).glob("*.tar.gz")
        target = output / made.name
        partial = target.with_name(target.name + ".part")
        partial.write_bytes(_timeless(made, int(os.environ.get("SOURCE_DATE_EPOCH", _EPOCH))))
        partial.replace(target)
    return target


def _timeless(archive: Path, date: int) -> bytes:
    """Return an archive of the same files, with nothing in it that differs between two builds."""
    with tarfile.open(archive) as before:
        contents = {item.name: before.extractfile(item).read() for item in before if item.isfile()}  # type: ignore[union-attr]
        members = sorted(before.getmembers(), key=_order)
    listing = json.loads(contents[_LISTING])
    listing["files"].sort(key=lambda item: str(item["name"]))
    contents[_LISTING] = _json(listing)
    manifest = json.loads(contents[_MANIFEST])
    manifest["file_manifest_file"]["chksum_sha256"] = hashlib.sha256(contents[_LISTING]).hexdigest()
    contents[_MANIFEST] = _json(manifest)
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as after:
        for item in members:
            item.mtime, item.uid, item.gid, item.uname, item.gname = date, 0, 0, "", ""
            content = contents.get(item.name, b"")
            item.size = len(content)
            after.addfile(item, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), 9, mtime=date)


def _order(item: tarfile.TarInfo) -> tuple[int, str]:
    """Return where a file stands in the archive: those that describe it come first."""
    return {_MANIFEST: 0, _LISTING: 1}.get(item.name, 2), item.name


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode()
