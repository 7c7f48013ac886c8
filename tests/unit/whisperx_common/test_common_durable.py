"""Every file system that a tree lies on is synced, by whatever means the host has, and errors are seen."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from module_utils.whisperx_common import durable


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The devices of the file systems that were synced."""
    seen: list[int] = []
    real = durable._syncfs()
    assert real is not None

    def call(descriptor: int) -> None:
        seen.append(os.fstat(descriptor).st_dev)
        real(descriptor)

    monkeypatch.setattr(durable, "_syncfs", lambda: call)
    return seen


def test_each_file_system_is_synced_once(tmp_path: Path, synced: list[int]) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    durable.sync_tree([str(tmp_path), str(tmp_path / "one"), str(tmp_path / "two"), "/dev/shm", "/absent"])
    assert sorted(synced) == sorted({tmp_path.stat().st_dev, os.stat("/dev/shm").st_dev})


def test_what_is_mounted_below_is_synced_too(
    tmp_path: Path, synced: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "25 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n"
        "31 25 0:28 / /dev/shm rw shared:4 - tmpfs tmpfs rw\n"
        "32 25 0:29 / /dev/shm\\040aside rw shared:4 - tmpfs tmpfs rw\n"
        "nonsense\n"
    )
    monkeypatch.setattr(durable, "_MOUNTS", str(mounts))
    device = os.stat("/dev").st_dev
    durable.sync_tree(["/dev"])
    assert sorted(synced) == sorted({device, os.stat("/dev/shm").st_dev})


def test_an_error_of_writing_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(durable, "_syncfs", lambda: broken)
    with pytest.raises(OSError, match="Input/output"):
        durable.sync_tree([str(tmp_path)])


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_an_error_that_only_the_single_sync_shows_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Before Linux 5.8, syncfs returned 0 for a file system that had failed to write."""

    def broken(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(durable, "_syncfs", lambda: lambda descriptor: None)
    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match=os.strerror(number)):
        durable.sync_tree([str(tmp_path)])


def test_a_file_system_that_cannot_sync_directories_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(descriptor: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", unable)
    durable.sync_tree([str(tmp_path)])
    durable.sync_directory(str(tmp_path))


def answers(code: int, said: bytes) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        if code < 0:
            raise FileNotFoundError(command[0])
        return subprocess.CompletedProcess(command, code, said)

    return run


@pytest.mark.parametrize(
    ("code", "said", "all_of_them"),
    [(0, b"", False), (1, b"sync: invalid option -- 'f'", True), (-1, b"", True)],
)
def test_without_the_call_a_program_does_it_or_everything_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, said: bytes, all_of_them: bool
) -> None:
    whole: list[bool] = []
    monkeypatch.setattr(durable, "_syncfs", lambda: None)
    monkeypatch.setattr(durable.subprocess, "run", answers(code, said))
    monkeypatch.setattr(os, "sync", lambda: whole.append(True))
    durable.sync_tree([str(tmp_path)])
    assert bool(whole) is all_of_them


def test_a_program_that_failed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "_syncfs", lambda: None)
    monkeypatch.setattr(durable.subprocess, "run", answers(1, b"sync: error syncing: Input/output error"))
    with pytest.raises(OSError, match="Input/output"):
        durable.sync_tree([str(tmp_path)])


def test_the_programs_of_this_host_do_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    durable.sync_tree([str(tmp_path)])
    monkeypatch.setattr(durable, "_syncfs", lambda: None)
    durable.sync_tree([str(tmp_path)])


def test_a_directory_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o710)
    durable.make_directories(str(tmp_path / "a"), 0o755)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o710
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="directory"):
        durable.make_directories(str(tmp_path / "file"))


def test_contents_are_on_disk_before_a_file_or_a_tree_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    fsync, put = os.fsync, os.replace

    def noted(descriptor: int) -> None:
        made.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(os, "replace", lambda *paths: (made.append("rename"), put(*paths)))
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "file").write_text("text")
    (tmp_path / "tree" / "link").symlink_to("nowhere")
    durable.replace(str(tmp_path / "tree"), str(tmp_path / "named"))
    assert sorted(made[:-2]) == ["deep", "file", "tree"] and made[-2:] == ["rename", tmp_path.name]
    assert (tmp_path / "named" / "deep" / "file").read_text() == "text"
    made.clear()
    (tmp_path / "one").write_text("text")
    durable.replace(str(tmp_path / "one"), str(tmp_path / "two"))
    assert made == ["one", "rename", tmp_path.name]


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_where_no_mode_is_asked_for_the_umask_decides(tmp_path: Path, umask: int) -> None:
    old = os.umask(umask)
    try:
        durable.make_directories(str(tmp_path / "a" / "b"), None)
    finally:
        os.umask(old)
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o777 & ~umask
