"""Placing, repairing, moving and removing models in a real directory."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from models_hosts import Host, digest, manifest, model

from module_utils.whisperx_models_host import run as models
from module_utils.whisperx_models_host.listing import look
from module_utils.whisperx_models_host.model import Layout, want
from module_utils.whisperx_models_host.standing import assess
from module_utils.whisperx_problem import Problem

CONFIG, WEIGHTS, OTHER = b"{}", bytes(range(256)) * 40, b"other weights"
BASE = manifest(model("base", "a" * 40, {"config.json": CONFIG, "model.bin": WEIGHTS}))
MOVED = manifest(model("base", "b" * 40, {"config.json": CONFIG, "model.bin": OTHER}))
BOTH = manifest(*BASE["models"], model("tiny", "c" * 40, {"config.json": CONFIG, "model.bin": OTHER}))
NONE = manifest()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    tmp_path.chmod(0o755)
    made = Host(tmp_path)
    made.supply(CONFIG, WEIGHTS, OTHER)
    return made


def snapshot(host: Host, name: str, revision: str) -> Path:
    return host.current() / f"hub/models--owner--{name}/snapshots" / revision


def test_a_model_is_placed_as_the_libraries_look_for_it(host: Host) -> None:
    result = host.call(BASE)
    assert result["changed"] and result["actions"] == [f"Placed the model whisper base, revision {'a' * 12}"]
    found = snapshot(host, "base", "a" * 40)
    assert (found / "model.bin").read_bytes() == WEIGHTS
    assert (host.current() / "hub/models--owner--base/refs/main").read_text() == "a" * 40
    assert (host.current() / "hub/.locks/models--owner--base").is_dir()
    assert (host.current() / "torch/hub/checkpoints").is_dir() and (host.current() / "nltk").is_dir()
    assert json.loads((host.current() / "manifest.json").read_text()) == BASE
    assert os.readlink(host.current()) == f"sets/{want(BASE).identity}"


def test_all_may_read_and_nobody_may_write(host: Host) -> None:
    old = os.umask(0o077)
    try:
        host.call(BASE)
    finally:
        os.umask(old)
    for path in [host.root, *host.root.rglob("*")]:
        mode = stat.S_IMODE(path.lstat().st_mode)
        if path.name == ".lock":
            assert mode == 0o600
        elif not path.is_symlink():
            assert mode == (0o755 if path.is_dir() else 0o444 if mode == 0o444 else 0o644), path
    assert stat.S_IMODE((snapshot(host, "base", "a" * 40) / "model.bin").stat().st_mode) == 0o444


def test_a_second_run_changes_nothing_and_reads_no_contents(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.call(BASE)
    before = {path: path.lstat().st_mtime_ns for path in host.root.rglob("*")}
    monkeypatch.setattr("module_utils.whisperx_models_host.place.sha256", lambda path: pytest.fail(path))
    monkeypatch.setattr("module_utils.whisperx_models_host.listing.sha256", lambda path: pytest.fail(path))
    result = host.call(BASE)
    assert (result["changed"], result["actions"], result["wanted_files"]) == (False, [], [])
    assert {path: path.lstat().st_mtime_ns for path in host.root.rglob("*")} == before


@pytest.mark.parametrize("value", [BASE, NONE])
def test_check_mode_predicts_what_is_then_done_and_writes_nothing(host: Host, value: dict[str, Any]) -> None:
    host.call(BOTH)
    before = host.names()
    predicted = host.call(value, check=True)
    assert host.names() == before
    done = host.call(value)
    assert (predicted["actions"], predicted["diff"]) == (done["actions"], done["diff"]) and predicted[
        "changed"
    ]


def test_data_of_nltk_is_copied_for_it_refuses_files_with_several_links(host: Host) -> None:
    sentences = {
        "kind": "sentences",
        "name": "punkt_tab",
        "revision": "1",
        "path": "nltk/tokenizers/punkt_tab",
        "files": [
            {
                "path": "nltk/tokenizers/punkt_tab/english/collocations.tab",
                "size": len(OTHER),
                "sha256": digest(OTHER),
            }
        ],
    }
    value = manifest(*BASE["models"], sentences)
    host.call(value)
    placed = host.current() / "nltk/tokenizers/punkt_tab/english/collocations.tab"
    assert placed.read_bytes() == OTHER and placed.stat().st_nlink == 1
    assert (snapshot(host, "base", "a" * 40) / "model.bin").stat().st_nlink == 2
    assert not host.call(value)["changed"]
    placed.chmod(0o644)
    placed.write_bytes(b"x" * len(OTHER))
    assert host.call(value)["changed"]
    again = host.current() / "nltk/tokenizers/punkt_tab/english/collocations.tab"
    assert again.read_bytes() == OTHER and again.stat().st_nlink == 1


def test_files_are_shared_and_only_missing_ones_travel(host: Host) -> None:
    host.call(BASE)
    host.call(BOTH)
    assert host.travelled == [digest(OTHER)]
    inodes = {path.stat().st_ino for path in host.current().rglob("config.json")}
    assert inodes == {(host.root / "files" / digest(CONFIG)).stat().st_ino}


def test_a_moved_revision_replaces_the_old_one_and_can_go_back(host: Host) -> None:
    host.call(BASE)
    result = host.call(MOVED)
    assert result["actions"] == [f"Moved the model whisper base from revision {'a' * 12} to {'b' * 12}"]
    assert not (host.root / "files" / digest(WEIGHTS)).exists()
    assert [path.name for path in (host.root / "sets").iterdir()] == [want(MOVED).identity]
    host.call(BASE)
    assert (snapshot(host, "base", "a" * 40) / "model.bin").read_bytes() == WEIGHTS


def test_with_keep_the_old_set_stays_and_going_back_transfers_nothing(host: Host) -> None:
    host.call(BASE, keep=2)
    host.call(MOVED, keep=2)
    assert len(list((host.root / "sets").iterdir())) == 2
    assert run_once(host, BASE, keep=2)["wanted_files"] == []
    assert snapshot(host, "base", "a" * 40).is_dir()


def run_once(host: Host, value: dict[str, Any], **more: Any) -> dict[str, Any]:
    return models.run(host.options(value, **more), False)


def test_a_model_that_is_no_longer_listed_goes(host: Host) -> None:
    host.call(BOTH)
    assert host.call(BASE)["actions"] == ["Removed the model whisper tiny"]
    assert not (host.root / "files" / digest(OTHER)).exists()


def test_without_any_model_the_store_goes(host: Host) -> None:
    assert host.call(NONE)["changed"] is False and not host.root.exists()
    host.call(BASE)
    assert host.call(NONE)["actions"] == ["Removed the model whisper base"]
    assert not host.root.exists()


def test_absent_removes_all(host: Host) -> None:
    host.call(BOTH)
    assert host.call(None, state="absent")["changed"]
    assert not host.root.exists() and not host.call(None, state="absent")["changed"]


@pytest.fixture
def reader(host: Host) -> Iterator[subprocess.Popen[bytes]]:
    """A program that has a file of the active set open."""
    host.call(BASE)
    path = str(snapshot(host, "base", "a" * 40).resolve() / "model.bin")
    code = "import sys,time; f=open(sys.argv[1],'rb'); print('ready',flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline()
    yield child
    child.kill()
    child.wait()


@pytest.mark.parametrize("value", [MOVED, NONE])
def test_a_set_that_a_process_uses_stays_until_it_ends(
    host: Host, reader: subprocess.Popen[bytes], value: dict[str, Any]
) -> None:
    old = snapshot(host, "base", "a" * 40).resolve()
    host.call(value)
    assert (old / "model.bin").read_bytes() == WEIGHTS
    assert host.call(value)["changed"] is False
    reader.kill()
    reader.wait()
    assert host.call(value)["actions"] == ["Removed files of models that nothing uses any more"]
    assert not old.exists() and host.call(value)["changed"] is False


def test_the_environment_of_a_process_counts_as_use(host: Host) -> None:
    host.call(BASE)
    where = str(host.current().resolve() / "hub")
    child = subprocess.Popen(["sleep", "60"], env={"HF_HUB_CACHE": where, "PATH": os.environ["PATH"]})
    try:
        time.sleep(0.1)
        host.call(MOVED)
        assert Path(where).is_dir()
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("damage", ["edited", "cut", "removed", "ref"])
def test_a_damaged_set_is_repaired_in_place(host: Host, damage: str) -> None:
    host.call(BASE)
    path = snapshot(host, "base", "a" * 40) / "model.bin"
    if damage == "edited":
        path.chmod(0o644)
        path.write_bytes(b"x" * len(WEIGHTS))
    elif damage == "cut":
        os.truncate(path, 5)
    elif damage == "removed":
        path.unlink()
    else:
        (host.current() / "hub/models--owner--base/refs/main").write_text("d" * 40 + "\n")
    assert host.call(BASE, check=True)["actions"]
    assert host.call(BASE)["actions"] == ["Repaired models whose files were changed or removed"]
    assert path.read_bytes() == WEIGHTS
    assert (host.current() / "hub/models--owner--base/refs/main").read_text() == "a" * 40
    assert host.call(BASE)["changed"] is False


def test_a_file_that_was_only_touched_is_read_and_not_transferred(host: Host) -> None:
    host.call(BASE)
    os.utime(host.root / "files" / digest(WEIGHTS))
    assert run_once(host, BASE)["wanted_files"] == []
    assert host.call(BASE)["changed"] is False


def test_hashes_find_what_size_and_time_hide(host: Host) -> None:
    host.call(BASE)
    path = host.root / "files" / digest(WEIGHTS)
    state = path.stat()
    path.chmod(0o644)
    path.write_bytes(b"y" * len(WEIGHTS))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert host.call(BASE)["changed"] is False
    assert host.call(BASE, hashes=True)["changed"] is True
    assert path.read_bytes() == WEIGHTS


def test_another_file_than_the_wanted_one_is_not_placed(host: Host) -> None:
    (host.shelf / digest(WEIGHTS)).write_bytes(b"something else")
    with pytest.raises(Problem) as caught:
        host.call(BASE)
    assert caught.value.rule == "models.transfer"
    assert not host.current().exists()


def test_a_link_instead_of_a_file_is_not_followed(host: Host, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(WEIGHTS)
    (host.shelf / digest(WEIGHTS)).unlink()
    (host.shelf / digest(WEIGHTS)).symlink_to(secret)
    with pytest.raises(OSError):
        host.call(BASE)


def test_room_is_asked_for_before_anything_is_written(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("module_utils.whisperx_models_host.listing._free", lambda path: 1000)
    for check in (True, False):
        with pytest.raises(Problem) as caught:
            host.call(BASE, check=check)
        assert caught.value.rule == "models.disk-space"
    assert not (host.root / "files").exists() or not any((host.root / "files").iterdir())


def test_a_foreign_directory_is_refused_and_stays(host: Host) -> None:
    host.root.mkdir()
    (host.root / "notes.txt").write_text("mine")
    with pytest.raises(Problem) as caught:
        host.call(BASE)
    assert caught.value.rule == "models.foreign-directory"
    assert host.names() == ["notes.txt"]


def test_a_directory_that_others_can_change_is_refused(host: Host) -> None:
    host.root.mkdir()
    host.root.chmod(0o777)
    with pytest.raises(Problem) as caught:
        host.call(BASE)
    assert caught.value.rule == "models.untrusted-directory"


def test_two_runs_at_once_do_not_meet(host: Host) -> None:
    host.call(BASE)
    code = "import fcntl,sys,time; f=open(sys.argv[1],'r+'); fcntl.flock(f,2); print(1,flush=True)"
    code += "; time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code, str(host.root / ".lock")], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None and child.stdout.readline()
        with pytest.raises(Problem) as caught:
            host.call(MOVED)
        assert caught.value.rule == "models.busy" and str(child.pid) in caught.value.found
        assert host.call(BASE)["changed"] is False
    finally:
        child.kill()
        child.wait()


class Killed(BaseException):
    pass


@pytest.mark.parametrize("event", ["file", "laid", "set", "switched"])
@pytest.mark.parametrize("before", [NONE, BASE])
def test_killed_at_any_step_the_store_is_whole_and_the_next_run_completes(
    host: Host, event: str, before: dict[str, Any]
) -> None:
    host.call(before)

    def emit(name: str) -> None:
        if name == event:
            raise Killed

    files = [{"sha256": path.name, "path": str(path)} for path in host.shelf.iterdir()]
    with pytest.raises(Killed):
        models.run(host.options(BOTH, files=files), False, emit)
    if before["models"] and event != "switched":
        assert (snapshot(host, "base", "a" * 40) / "model.bin").read_bytes() == WEIGHTS
        assert host.current().resolve().name == want(BASE).identity
    host.call(BOTH)
    listing = look(Layout(str(host.root)))
    assert listing["whole"] and not listing["loose"] and listing["current"] == want(BOTH).identity
    assert host.call(BOTH)["changed"] is False


def test_where_no_file_can_be_linked_it_is_copied(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_link(*_args: Any, **_named: Any) -> None:
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(os, "link", no_link)
    host.call(BASE)
    assert (snapshot(host, "base", "a" * 40) / "model.bin").read_bytes() == WEIGHTS
    assert host.call(BASE)["changed"] is False


def test_the_controller_predicts_from_the_listing_what_the_module_says(host: Host) -> None:
    host.call(BASE)
    listing = assess(str(host.root), 1, False)
    for value in (BASE, MOVED, BOTH, NONE):
        module = models.run(host.options(value), True)
        assert models.predicted(listing, want(value)) == module


@pytest.mark.parametrize(
    "change",
    [
        {"path": "../../etc/passwd"},
        {"path": "hub/../../x"},
        {"path": "/etc/x"},
        {"path": "elsewhere/x"},
        {"sha256": "../x"},
        {"size": -1},
        {"size": "5"},
    ],
)
def test_a_manifest_that_leads_out_of_its_set_is_refused(host: Host, change: dict[str, Any]) -> None:
    value = json.loads(json.dumps(BASE))
    value["models"][0]["files"][0].update(change)
    with pytest.raises(Problem) as caught:
        host.call(value)
    assert caught.value.rule == "models.manifest" and not host.root.exists()
