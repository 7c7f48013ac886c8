"""An image is built again only when plan, lock, base or recipe changed; old archives go."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from module_utils.whisperx_common.files import write_json
from module_utils.whisperx_common.layers import chains
from module_utils.whisperx_image.archive import Archive, intact
from module_utils.whisperx_image.layer import Entry
from module_utils.whisperx_image.model import Base, Job, base_of, labels
from module_utils.whisperx_image.shelf import built, expected, keep, prune
from module_utils.whisperx_problem import Problem
from tests.unit.whisperx_image.images import job

PIN = "sha256:" + "1" * 64


def stored(wish: Job, digest: str = PIN, top: str = "top") -> dict:
    """Put an archive of two layers on the shelf, as a build does."""
    os.makedirs(os.path.dirname(wish.archive), exist_ok=True)
    archive = Archive(wish.archive)
    archive.add_layer([Entry("base", "dir")], "base")
    archive.add_layer([Entry(top, "dir")], "top")
    archive.finish({"rootfs": {}}, [wish.image])
    layers = [layer.record() for layer in archive.layers]
    size = os.stat(wish.archive).st_size
    return keep(wish, {**expected(wish, digest), "bytes": size, "layers": layers})


def test_labels_are_texts_and_name_what_the_image_is_made_of(tmp_path):
    found = labels(job(tmp_path), PIN)
    assert all(isinstance(value, str) for value in found.values())
    assert found["org.opencontainers.image.title"] == "whisperx-fleet"
    assert found["whisperx-fleet.base"] == f"example.org/base:1@{PIN}"
    assert found["whisperx-fleet.versions"] == '{"tiny": "1.0"}'
    assert found["whisperx-fleet.release"].startswith("tiny-1.0-cpu-")


def test_what_is_there_is_taken(tmp_path):
    record = stored(job(tmp_path))
    assert built(job(tmp_path), PIN) == record


@pytest.mark.parametrize(
    "other",
    [
        {"commands": [["apt-get", "install", "ffmpeg"]]},
        {"layers": []},
        {"driver_minimum": "570"},
    ],
)
def test_another_recipe_is_another_image(tmp_path, other):
    stored(job(tmp_path))
    assert built(job(tmp_path, **other), PIN) is None


def test_another_base_is_another_image(tmp_path):
    stored(job(tmp_path))
    assert built(job(tmp_path), "sha256:" + "2" * 64) is None
    assert built(job(tmp_path, base=Base(reference="example.org/other:1")), "") is None


def test_a_reference_without_digest_stays_what_it_was(tmp_path):
    stored(job(tmp_path))
    assert built(job(tmp_path), "") is not None


def test_another_catalogue_with_the_same_plan_is_the_same_image(tmp_path):
    stored(job(tmp_path))
    wish = job(tmp_path)
    plan = {**wish.wanted.plan, "catalogue": "c2"}
    assert built(replace(wish, wanted=replace(wish.wanted, plan=plan)), PIN) is not None


def test_an_archive_that_was_cut_is_built_again(tmp_path):
    stored(job(tmp_path))
    with open(job(tmp_path).archive, "ab") as stream:
        stream.write(b"x")
    assert built(job(tmp_path), PIN) is None


def in_place(path: Path) -> None:
    """Change one byte in the middle, and nothing that a listing shows."""
    state = path.stat()
    with path.open("r+b") as stream:
        stream.seek(600)
        byte = stream.read(1)
        stream.seek(600)
        stream.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


@pytest.mark.parametrize("noted", [True, False], ids=["made by this version", "made before"])
def test_an_archive_that_was_changed_is_removed_and_built_again(tmp_path: Path, noted: bool) -> None:
    record = stored(job(tmp_path))
    if not noted:  # there is no digest, only those in the names of its parts
        write_json(record["archive"] + ".json", {key: record[key] for key in record if key != "sha256"})
    assert built(job(tmp_path), PIN) is not None
    in_place(Path(record["archive"]))
    assert built(job(tmp_path), PIN) is None
    assert not Path(record["archive"]).exists()
    stored(job(tmp_path))
    assert built(job(tmp_path), PIN) is not None


def test_a_changed_copy_is_removed_alone(tmp_path: Path) -> None:
    stored(job(tmp_path))
    second = stored(job(tmp_path, "1.1"), top="other")
    assert built(job(tmp_path, "1.1"), PIN) == second
    in_place(Path(second["upgrade"]["archive"]))
    found = built(job(tmp_path, "1.1"), PIN)
    assert found is not None and found["upgrade"] is None
    assert not Path(second["upgrade"]["archive"]).exists()


@given(st.binary(max_size=100), st.integers(0, 20_000))
def test_any_bytes_in_place_of_an_archive_are_none(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, place: int
) -> None:
    folder = tmp_path_factory.mktemp("shelf")
    path = Path(stored(job(folder))["archive"])
    raw = path.read_bytes()
    (folder / "other.tar").write_bytes(data)
    assert not intact(str(folder / "other.tar"))
    (folder / "other.tar").write_bytes(raw[:place] + data + raw[place + len(data) :])
    intact(str(folder / "other.tar"))  # whatever it says, it says it


def test_an_upgrade_comes_with_a_copy_of_what_changed(tmp_path):
    first = stored(job(tmp_path))
    second = stored(job(tmp_path, "1.1"), top="other")
    assert first["upgrade"] is None
    assert second["upgrade"]["from"] == first["release"]
    assert second["upgrade"]["without"] == [first["layers"][0]["digest"]]
    assert second["upgrade"]["bytes"] == Path(second["upgrade"]["archive"]).stat().st_size < second["bytes"]
    Path(second["upgrade"]["archive"]).unlink()
    assert built(job(tmp_path, "1.1"), PIN)["upgrade"] is None  # type: ignore[index]


def test_a_copy_that_would_save_little_is_not_written(tmp_path):
    stored(job(tmp_path))
    wish = job(tmp_path, "1.1")
    large = tmp_path / "large"
    large.write_bytes(bytes(5000))
    archive = Archive(wish.archive)
    archive.add_layer([Entry("base", "dir")], "base")
    archive.add_layer([Entry("large", "file", size=5000, source=str(large))], "top")
    archive.finish({"rootfs": {}}, [wish.image])
    layers = [layer.record() for layer in archive.layers]
    assert keep(wish, {**expected(wish, PIN), "layers": layers})["upgrade"] is None
    assert not Path(wish.archive + ".upgrade").exists()


def test_old_archives_and_halves_are_removed(tmp_path):
    for number, version in enumerate(("1.0", "1.1", "1.2")):
        record = stored(job(tmp_path, version))
        os.utime(record["archive"] + ".json", (number, number))
    folder = Path(job(tmp_path).archive).parent
    (folder / "half.tar").write_text("")
    (folder / "half.tar.part").write_text("")
    gone = prune(job(tmp_path, "1.2"))
    assert [name.split("-")[1] for name in gone] == ["1.0"]
    left = sorted(path.name.partition("-cpu")[0] for path in folder.glob("*.tar"))
    assert left == ["tiny-1.1", "tiny-1.2"]
    assert not list(folder.glob("half*")) and not list(folder.glob("tiny-1.0*"))


def test_a_plan_for_a_venv_is_refused():
    with pytest.raises(Problem) as caught:
        base_of({"runtime": "venv"}, "")
    assert caught.value.rule == "image.plan"


def test_a_root_is_known_by_its_content(tmp_path):
    (tmp_path / "root.tar").write_bytes(b"x")
    assert Base(root=str(tmp_path / "root.tar")).digest().startswith("sha256:2d711642")
    assert Base(reference="example.org/base@sha256:12").digest() == "sha256:12"
    with pytest.raises(Problem) as caught:
        Base(root=str(tmp_path / "none.tar")).digest()
    assert caught.value.rule == "image.base"


def layered(wish: Job, *names: str) -> dict:
    """Put an archive on the shelf whose layers have these names, the last one small."""
    os.makedirs(os.path.dirname(wish.archive), exist_ok=True)
    archive = Archive(wish.archive)
    for name in names:
        content = Path(wish.settings.directory) / f"content-{name}"
        content.write_bytes(name.encode() * 3000 if name != names[-1] else name.encode())
        archive.add_layer(
            [Entry(name, "file", size=content.stat().st_size, source=str(content), mtime=0)], name
        )
    archive.finish({"rootfs": {}}, [wish.image])
    record = {"bytes": os.stat(wish.archive).st_size, "layers": [layer.record() for layer in archive.layers]}
    return keep(wish, {**expected(wish, PIN), **record})


def of_class(wish: Job, name: str) -> Job:
    """Return the job for another request: then the class is another one, and the directory too."""
    return replace(wish, wanted=replace(wish.wanted, plan={**wish.wanted.plan, "class": name}))


def digests(record: dict, *names: str) -> list[str]:
    return [layer["digest"] for layer in record["layers"] if layer["what"] in names]


def test_a_copy_stands_on_the_layers_of_another_request(tmp_path: Path) -> None:
    first = layered(of_class(job(tmp_path), "pinned"), "base", "torch", "1.0")
    second = layered(of_class(job(tmp_path, "1.1"), "newest"), "base", "torch", "1.1")
    [copy] = second["upgrades"]
    assert Path(first["archive"]).parent != Path(second["archive"]).parent
    assert copy["without"] == digests(first, "base", "torch")
    assert copy["chain"] == chains(copy["without"])[-1]
    assert copy["bytes"] * 2 < second["bytes"]


def test_a_host_two_images_back_has_its_own_copy(tmp_path: Path) -> None:
    first = layered(job(tmp_path), "base", "torch", "1.0")
    layered(job(tmp_path, "1.1"), "base", "torch", "extra", "1.1")
    third = layered(job(tmp_path, "1.2"), "base", "torch", "extra", "1.2")
    shared = [copy["without"] for copy in third["upgrades"]]
    assert shared == [digests(third, "base", "torch", "extra"), digests(first, "base", "torch")]
    assert len({copy["archive"] for copy in third["upgrades"]}) == 2
    assert all(Path(copy["archive"]).stat().st_size == copy["bytes"] for copy in third["upgrades"])


def test_layers_above_another_one_are_for_podman_alone(tmp_path: Path) -> None:
    layered(job(tmp_path), "base", "system", "torch", "1.0")
    second = layered(job(tmp_path, "1.1"), "base", "newer", "torch", "1.1")
    [copy] = second["upgrades"]
    assert copy["without"] == digests(second, "base", "torch") and copy["chain"] == ""


def test_an_image_whose_archive_is_gone_is_remembered(tmp_path: Path) -> None:
    old = layered(of_class(job(tmp_path), "left"), "base", "torch", "1.0")
    shutil.rmtree(Path(old["archive"]).parent)
    new = layered(of_class(job(tmp_path, "1.1"), "new"), "base", "torch", "1.1")
    assert [copy["without"] for copy in new["upgrades"]] == [digests(old, "base", "torch")]


def test_all_copies_go_with_their_archive(tmp_path: Path) -> None:
    layered(job(tmp_path), "base", "torch", "1.0")
    layered(job(tmp_path, "1.1"), "base", "torch", "extra", "1.1")
    third = layered(job(tmp_path, "1.2"), "base", "torch", "extra", "1.2")
    os.utime(third["archive"] + ".json", (1, 1))
    wish = job(tmp_path, "1.3")
    layered(wish, "other", "1.3")
    prune(replace(wish, settings=replace(wish.settings, keep=1)))
    assert [path.name for path in Path(wish.archive).parent.glob("*.upgrade*")] == []


def test_a_record_of_an_earlier_version_keeps_its_copy(tmp_path: Path) -> None:
    layered(job(tmp_path), "base", "torch", "1.0")
    record = layered(job(tmp_path, "1.1"), "base", "torch", "1.1")
    older = {key: record[key] for key in record if key != "upgrades"}
    older["upgrade"] = {key: record["upgrade"][key] for key in record["upgrade"] if key != "chain"}
    write_json(record["archive"] + ".json", older)
    found = built(job(tmp_path, "1.1"), PIN)
    assert found is not None and found["upgrades"] == [{**older["upgrade"], "chain": ""}]
