"""Files are written and removed whole, durably, and through no link that somebody planted."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from module_utils.whisperx_common import beneath, durable, files

VICTIM = "of somebody else"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file that nothing here may touch."""
    path = tmp_path / "victim"
    path.write_text(VICTIM)
    path.chmod(0o640)
    return path


def untouched(victim: Path) -> bool:
    return victim.read_text() == VICTIM and stat.S_IMODE(victim.stat().st_mode) == 0o640


class Calls:
    """Writes down the calls that decide what a power cut leaves, and on what."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[str] = []
        fsync, replace = os.fsync, os.replace

        def noted_fsync(descriptor: int) -> None:
            kind = "directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
            self.made.append(f"sync {kind}")
            fsync(descriptor)

        def noted_replace(source: str, target: str, **where: int) -> None:
            self.made.append("rename")
            replace(source, target, **where)

        monkeypatch.setattr(os, "fsync", noted_fsync)
        monkeypatch.setattr(os, "replace", noted_replace)


def test_data_is_on_disk_before_the_name_and_the_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(monkeypatch)
    files.write_json(str(tmp_path / "record"), {"one": 1})
    assert calls.made == ["sync file", "rename", "sync directory"]
    calls.made.clear()
    files.link(str(tmp_path / "current"), "releases/one")
    assert calls.made == ["rename", "sync directory"]
    calls.made.clear()
    files.write_text(str(tmp_path / "of-a-tree"), "text", durable=False)
    assert calls.made == ["rename"]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755])
def test_the_mode_is_what_was_asked_for_whatever_the_umask(tmp_path: Path, umask: int, mode: int) -> None:
    old = os.umask(umask)
    try:
        files.write_text(str(tmp_path / "file"), "text", mode)
        durable.make_directories(str(tmp_path / "a" / "b"), mode | 0o100)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == mode | 0o100
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o755


@pytest.mark.parametrize("planted", ["{}", "{}.new", "{}.0123abcd.new"])
@pytest.mark.parametrize("kind", ["symlink", "hard link", "fifo", "directory", "file"])
def test_what_was_planted_under_a_name_is_replaced_and_not_followed(
    tmp_path: Path, victim: Path, planted: str, kind: str
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    path = place / planted.format("record")
    if kind == "symlink":
        path.symlink_to(victim)
    elif kind == "hard link":
        os.link(victim, path)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "file":
        path.write_text("half of it")
    else:
        path.mkdir()
    if kind == "directory" and planted == "{}":
        with pytest.raises(OSError, match="directory"):
            files.write_text(str(place / "record"), "new")
        assert os.listdir(place) == ["record"]
        return
    files.write_text(str(place / "record"), "new")
    assert untouched(victim)
    assert (place / "record").read_text() == "new" and not (place / "record").is_symlink()
    left = {name for name in os.listdir(place) if not (place / name).is_dir()}
    assert left == {"record"}


def test_what_other_files_are_called_is_no_leftover(tmp_path: Path) -> None:
    others = ["records.new", "record.old", "record.123.new", "record.0123abcd", ".record.new", "a.record.new"]
    for name in others:
        (tmp_path / name).write_text(VICTIM)
    files.write_text(str(tmp_path / "record"), "new")
    assert sorted(os.listdir(tmp_path)) == sorted([*others, "record"])


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("work", ["write", "link", "discard", "open", "make"])
def test_no_component_below_a_trusted_directory_may_be_a_link(
    tmp_path: Path, victim: Path, depth: int, work: str
) -> None:
    """Whichever of three directories was swapped for a link to a place of the same form."""
    names = ["a", "b", "c"]
    for top in ("root", "elsewhere"):
        (tmp_path / top).joinpath(*names).mkdir(parents=True)
        os.link(victim, (tmp_path / top).joinpath(*names, "file"))
    root = tmp_path / "root"
    swapped = root.joinpath(*names[:depth])
    swapped.rename(tmp_path / "gone")
    swapped.symlink_to((tmp_path / "elsewhere").joinpath(*names[:depth]))
    target = str(root.joinpath(*names, "file"))
    call = {
        "write": lambda: files.write_text(target, "mine", below=str(root)),
        "link": lambda: files.link(target, "mine", below=str(root)),
        "discard": lambda: files.discard(str(root.joinpath(*names)) + "/file", below=str(root)),
        "make": lambda: durable.make_directories(os.path.dirname(target) + "/new", below=str(root)),
        "open": lambda: open_and_close(target, str(root)),
    }[work]
    if work == "discard":
        call()  # nothing is there
    else:
        with pytest.raises(OSError, match=r"symbolic links|Not a directory"):
            call()
    assert untouched(victim)
    assert (tmp_path / "elsewhere").joinpath(*names, "file").is_file()
    assert os.listdir((tmp_path / "elsewhere").joinpath(*names)) == ["file"]


def open_and_close(path: str, below: str) -> None:
    with files.opened(path, below):
        pass


def test_a_path_outside_the_trusted_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    with pytest.raises(OSError, match="not below"):
        files.write_text(str(tmp_path / "root" / ".." / "out"), "text", below=str(tmp_path / "root"))


def test_a_tree_is_removed_and_what_its_links_lead_to_stays(tmp_path: Path, victim: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("kept")
    tree = tmp_path / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "to-file").symlink_to(victim)
    (tree / "a" / "b" / "to-directory").symlink_to(kept)
    (tree / "to-nothing").symlink_to("nowhere")
    os.mkfifo(tree / "fifo")
    (tmp_path / "tree.going").symlink_to(kept)
    files.discard(str(tree))
    assert sorted(os.listdir(tmp_path)) == ["kept", "victim"]
    assert untouched(victim) and (kept / "file").read_text() == "kept"


@pytest.mark.parametrize("name", ["fifo", "link", "file", "tree", "absent", "absent/too"])
def test_one_thing_is_removed_whatever_it_is(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("tree")
    (tmp_path / "file").write_text("")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "inside").write_text("")
    files.discard(str(tmp_path / name))
    assert sorted(os.listdir(tmp_path)) == sorted({"fifo", "link", "file", "tree"} - {name})


@pytest.mark.parametrize("contents", [None, b"\xff\xfe{", b"[]", b"3", b"{", b"[" * 100_000, b""])
def test_what_is_no_json_object_is_no_record(tmp_path: Path, contents: bytes | None) -> None:
    path = tmp_path / "record"
    if contents is not None:
        path.write_bytes(contents)
    assert files.read_json(str(path)) is None


@pytest.mark.parametrize("kind", ["directory", "fifo"])
def test_what_is_no_file_is_read_as_absent(tmp_path: Path, kind: str) -> None:
    os.mkfifo(tmp_path / "it") if kind == "fifo" else (tmp_path / "it").mkdir()
    assert files.read_text(str(tmp_path / "it")) is None
    with pytest.raises(OSError, match=r"it|directory"):
        open_and_close(str(tmp_path / "it"), "")


def test_a_tree_is_walked_without_following_links(tmp_path: Path) -> None:
    (tmp_path / "tree" / "a").mkdir(parents=True)
    (tmp_path / "tree" / "a" / "file").write_text("")
    (tmp_path / "tree" / "link").symlink_to("a")
    found = [
        (where, directories, sorted(others))
        for where, _, directories, others in beneath.walk(str(tmp_path / "tree"))
    ]
    assert found == [("", ["a"], ["link"]), ("a", [], ["file"])]
    assert list(beneath.walk(str(tmp_path / "absent"))) == []
