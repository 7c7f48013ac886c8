"""An image as one file that podman and docker load: docker's format, and an OCI layout over the same blobs.

Podman reads layers of docker's format where they lie, but unpacks an OCI layout as a whole before it looks at
it, which takes the image's room once more. So a whole archive keeps the OCI layout aside. A copy that lacks
layers shows it: such a one podman takes as an OCI layout only.

Sources: the OCI image specification (image-layout, config, manifest) and the layout that `docker save`
writes.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from ..whisperx_common.durable import replace
from ..whisperx_common.files import sha256_of
from .layer import Entry, write_layer

__all__ = ["ARCHITECTURES", "Archive", "Layer", "intact", "partial"]

# What uname calls a machine -> what images call it.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_CONFIG = "application/vnd.oci.image.config.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
# Where a whole archive keeps what makes it an OCI layout.
_ASIDE = "oci/"


@dataclass(frozen=True)
class Layer:
    """A layer that was written: its digest ("sha256:…"), its size, and what it holds in words."""

    digest: str
    bytes: int
    what: str

    def record(self) -> dict[str, Any]:
        """Return plain data."""
        return {"digest": self.digest, "bytes": self.bytes, "what": self.what}


class Archive:
    """Writes an image archive to ``path``; nothing is under that name before ``finish``."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.layers: list[Layer] = []
        self._part = path + ".part"
        self._stream: BinaryIO = open(self._part, "w+b")  # noqa: SIM115  # closed by finish or discard

    def add_layer(self, entries: Iterable[Entry], what: str) -> None:
        """Add a layer on top of those before. Its name is its digest, so the header is written last."""
        start = self._stream.tell()
        self._stream.write(b"\0" * tarfile.BLOCKSIZE)
        digest, size = write_layer(entries, self._stream.write)
        self._pad(size)
        end = self._stream.tell()
        if any(layer.digest == "sha256:" + digest for layer in self.layers):
            self._stream.seek(start)
            self._stream.truncate()
        else:
            self._stream.seek(start)
            self._stream.write(_header(_blob(digest), size))
            self._stream.seek(end)
        self.layers.append(Layer("sha256:" + digest, size, what))

    def finish(self, config: Mapping[str, Any], names: Sequence[str]) -> str:
        """Write config and manifests, close the file, give it its name; return the image's id."""
        data = _json(config)
        image = hashlib.sha256(data).hexdigest()
        self._add(_blob(image), data)
        manifest = _json(
            {
                "schemaVersion": 2,
                "mediaType": _MANIFEST,
                "config": {"mediaType": _CONFIG, "digest": "sha256:" + image, "size": len(data)},
                "layers": [
                    {"mediaType": _LAYER, "digest": layer.digest, "size": layer.bytes}
                    for layer in self.layers
                ],
            }
        )
        digest = hashlib.sha256(manifest).hexdigest()
        self._add(_blob(digest), manifest)
        self._add(_ASIDE + "index.json", _json(_index(digest, len(manifest), names)))
        paths = [_blob(layer.digest.partition(":")[2]) for layer in self.layers]
        docker = [{"Config": _blob(image), "RepoTags": list(names), "Layers": paths}]
        self._add("manifest.json", json.dumps(docker, sort_keys=True).encode())
        self._add(_ASIDE + "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        self._stream.write(b"\0" * 2 * tarfile.BLOCKSIZE)
        self._stream.close()
        replace(self._part, self.path)
        return "sha256:" + image

    def discard(self) -> None:
        """Close and remove what was not finished; nothing once it was."""
        self._stream.close()
        if os.path.exists(self._part):
            os.unlink(self._part)

    def _add(self, name: str, data: bytes) -> None:
        self._stream.write(_header(name, len(data)) + data)
        self._pad(len(data))

    def _pad(self, size: int) -> None:
        self._stream.write(b"\0" * (-size % tarfile.BLOCKSIZE))


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def _blob(digest: str) -> str:
    return "blobs/sha256/" + digest


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _index(digest: str, size: int, names: Sequence[str]) -> dict[str, Any]:
    """Return index.json: the one image, once under each of its names."""
    entry = {"mediaType": _MANIFEST, "digest": "sha256:" + digest, "size": size}
    return {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [
            {
                **entry,
                "annotations": {
                    "io.containerd.image.name": name,
                    "org.opencontainers.image.ref.name": name,
                },
            }
            for name in names
        ],
    }


def intact(path: str) -> bool:
    """Return whether every part of an archive has the digest that is its name. Raises OSError."""
    manifest = False
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                manifest = manifest or member.name == "manifest.json"
                stream = archive.extractfile(member)
                name = member.name.rpartition("/")
                if stream is None:
                    return False
                if name[0] == "blobs/sha256" and sha256_of(cast(BinaryIO, stream)) != name[2]:
                    return False
    except (tarfile.TarError, EOFError, ValueError):
        return False
    return manifest


def partial(source: str, target: str, without: Iterable[str]) -> int:
    """Copy an archive without the layers of these digests ("sha256:…"); return the size of the copy in bytes.

    An engine that has those layers already takes it as it takes the whole one: it looks for a layer in its
    storage before it reads it. OSError or tarfile.TarError for what cannot be read or written.
    """
    names = {_blob(digest.partition(":")[2]) for digest in without}
    part = target + ".part"
    with tarfile.open(source, "r:") as archive, open(source, "rb") as stream, open(part, "wb") as copy:
        for member in archive:
            if member.name in names:
                continue
            shown = member.name[len(_ASIDE) :] if member.name.startswith(_ASIDE) else member.name
            copy.write(_header(shown, member.size))
            stream.seek(member.offset_data)
            left = member.size + -member.size % tarfile.BLOCKSIZE
            while left:
                block = stream.read(min(left, 1 << 20))
                if not block:
                    raise OSError(f"{source} is cut short")
                copy.write(block)
                left -= len(block)
        copy.write(b"\0" * 2 * tarfile.BLOCKSIZE)
    replace(part, target)
    return os.stat(target).st_size
