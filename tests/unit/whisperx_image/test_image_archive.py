"""The archive is docker's, with an OCI layout over the same blobs put aside."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

from module_utils.whisperx_image.archive import Archive, partial
from module_utils.whisperx_image.layer import Entry

NAME = "localhost/whisperx-fleet:tiny-1.0"


def made(folder: Path, name: str = "a.tar") -> tuple[Path, str, Archive]:
    path = folder / name
    archive = Archive(str(path))
    archive.add_layer([Entry("etc", "dir")], "base")
    archive.add_layer([Entry("opt", "dir")], "top")
    archive.add_layer([Entry("opt", "dir")], "the same once more")
    config = {"rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in archive.layers]}}
    return path, archive.finish(config, [NAME]), archive


def read(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


def test_every_blob_is_named_by_its_digest_and_there_once(tmp_path):
    path, _, _ = made(tmp_path)
    with tarfile.open(path) as archive:
        names = archive.getnames()
    assert len(names) == len(set(names))
    for name, data in read(path).items():
        if name.startswith("blobs/"):
            assert name == "blobs/sha256/" + hashlib.sha256(data).hexdigest()


def test_both_manifests_lead_to_the_same(tmp_path):
    path, image, archive = made(tmp_path)
    files = read(path)
    index: Any = json.loads(files["oci/index.json"])["manifests"][0]
    assert index["annotations"]["org.opencontainers.image.ref.name"] == NAME
    manifest = json.loads(files["blobs/sha256/" + index["digest"][7:]])
    docker = json.loads(files["manifest.json"])[0]
    assert manifest["config"]["digest"] == image
    assert docker == {
        "Config": "blobs/sha256/" + image[7:],
        "RepoTags": [NAME],
        "Layers": ["blobs/sha256/" + layer["digest"][7:] for layer in manifest["layers"]],
    }
    assert [layer["digest"] for layer in manifest["layers"]] == [layer.digest for layer in archive.layers]
    assert json.loads(files["oci/oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    for layer in manifest["layers"]:
        assert len(files["blobs/sha256/" + layer["digest"][7:]]) == layer["size"]


def test_the_same_input_gives_the_same_file(tmp_path):
    assert made(tmp_path)[0].read_bytes() == made(tmp_path, "b.tar")[0].read_bytes()


def test_nothing_is_there_before_the_end(tmp_path):
    archive = Archive(str(tmp_path / "a.tar"))
    archive.add_layer([Entry("etc", "dir")], "base")
    assert not (tmp_path / "a.tar").exists()
    archive.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_partial_copy_lacks_the_named_layers_and_nothing_else(tmp_path):
    path, _, archive = made(tmp_path)
    there = archive.layers[0].digest
    size = partial(str(path), str(tmp_path / "part.tar"), [there])
    whole, part = read(path), read(tmp_path / "part.tar")
    assert size == (tmp_path / "part.tar").stat().st_size < path.stat().st_size
    left = {name: data for name, data in whole.items() if name != "blobs/sha256/" + there[7:]}
    assert part == {name.removeprefix("oci/"): data for name, data in left.items()}


def test_only_a_partial_copy_shows_that_it_is_an_oci_layout(tmp_path):
    """Podman would unpack it as a whole, and docker's format it reads where it lies."""
    path, _, _ = made(tmp_path)
    partial(str(path), str(tmp_path / "part.tar"), [])
    assert "oci-layout" not in read(path) and "oci-layout" in read(tmp_path / "part.tar")
