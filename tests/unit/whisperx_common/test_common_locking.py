"""A lock is its owner's alone, and the process is named that really holds it."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from module_utils.whisperx_common import locking

HOLD = """
import fcntl, os, sys
os.setuid(int(sys.argv[2]))
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)
print(1, flush=True)
input()
"""


@contextmanager
def held_by_another(path: Path, user: int | None = None) -> Iterator[int]:
    """Hold a lock in a process of its own; return its number, 0 when it could not open the file."""
    command = [sys.executable, "-c", HOLD, str(path), str(os.getuid() if user is None else user)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process.pid if process.stdout.readline() else 0
        process.kill()


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_only_the_owner_can_open_it(tmp_path: Path, umask: int) -> None:
    old = os.umask(umask)
    try:
        with locking.exclusive(str(tmp_path / "lock")):
            assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600
    finally:
        os.umask(old)


def test_one_that_was_open_to_all_is_closed(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("1\n")
    (tmp_path / "lock").chmod(0o666)
    with locking.exclusive(str(tmp_path / "lock")):
        pass
    assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_another_user_cannot_hold_it(tmp_path: Path) -> None:
    for directory in [tmp_path, *tmp_path.parents][:3]:
        directory.chmod(0o755)
    with locking.exclusive(str(tmp_path / "lock")):
        pass
    with held_by_another(tmp_path / "lock", pwd.getpwnam("nobody").pw_uid) as pid:
        assert pid == 0
    with locking.exclusive(str(tmp_path / "lock")):
        pass


@pytest.mark.parametrize("noted", ["", "1\n", "99999999\n", "nonsense", "\xff" * 40])
def test_the_process_that_holds_it_is_named_whatever_the_file_says(tmp_path: Path, noted: str) -> None:
    lock = tmp_path / "lock"
    lock.write_text(noted, encoding="latin-1")
    (tmp_path / "other").write_text("")
    with (
        held_by_another(tmp_path / "other"),
        held_by_another(lock) as pid,
        pytest.raises(locking.Held) as raised,
        locking.exclusive(str(lock)),
    ):
        pass
    assert raised.value.pid == pid
    assert lock.read_text(encoding="latin-1") == noted


@pytest.mark.parametrize(
    ("locks", "noted", "wanted"),
    [
        ("", "1234\n", 1234),
        ("", "rubbish", 0),
        ("1: FLOCK  ADVISORY  WRITE 77 ff:ff:{inode} 0 EOF\n", "1234\n", 77),  # another device than stat's
        ("1: FLOCK  ADVISORY  WRITE 0 {device}:{inode} 0 EOF\n", "1234\n", 0),  # of another container
        ("1: POSIX  ADVISORY  WRITE 77 {device}:{inode} 0 EOF\n", "1234\n", 1234),
        (
            "1: FLOCK  ADVISORY  WRITE 77 {device}:{inode} 0 EOF\n"
            "1: -> FLOCK  ADVISORY  WRITE 78 {device}:{inode} 0 EOF\n"
            "2: FLOCK  ADVISORY  WRITE 79 ff:ff:{inode} 0 EOF\n",
            "",
            77,
        ),
    ],
)
def test_the_kernel_is_asked_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locks: str, noted: str, wanted: int
) -> None:
    lock = tmp_path / "lock"
    lock.write_text(noted)
    facts = lock.stat()
    device = f"{os.major(facts.st_dev):02x}:{os.minor(facts.st_dev):02x}"
    (tmp_path / "locks").write_text(locks.format(device=device, inode=facts.st_ino))
    monkeypatch.setattr(locking, "_LOCKS", str(tmp_path / "locks"))
    with lock.open() as stream:
        assert locking.holder(stream.fileno()) == wanted


def test_a_planted_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("of somebody else")
    (tmp_path / "lock").symlink_to("victim")
    with pytest.raises(OSError, match="symbolic"), locking.exclusive(str(tmp_path / "lock")):
        pass
    assert (tmp_path / "victim").read_text() == "of somebody else"


def test_a_run_that_is_refused_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locking.exclusive(str(path)):
        pass
    with held_by_another(path) as pid:
        before = path.stat()
        for _ in range(2):
            with pytest.raises(locking.Held) as raised, locking.exclusive(str(path)):
                pass
            assert raised.value.pid == pid
        assert path.stat() == before and path.stat().st_ctime_ns == before.st_ctime_ns


def test_a_shared_lock_is_held_alone_first_then_with_others(tmp_path: Path) -> None:
    """What is done alone is done while nobody shares the lock, and only then."""
    path, said = str(tmp_path / "lock"), []

    def alone() -> None:
        with pytest.raises(locking.Held), locking.exclusive(path):
            pass
        said.append("alone")

    with locking.alone_then_shared(path, alone) as first, locking.alone_then_shared(path, alone) as second:
        assert (first, second, said) == (True, False, ["alone"])
        with pytest.raises(locking.Held), locking.exclusive(path):
            pass
    with locking.alone_then_shared(path, alone) as third:
        assert third and said == ["alone", "alone"]


def test_who_waits_to_be_alone_is_once_the_others_have_ended(tmp_path: Path) -> None:
    path, said = str(tmp_path / "lock"), []
    with ExitStack() as other:
        other.enter_context(locking.alone_then_shared(path, lambda: None))
        timer = threading.Timer(0.3, other.close)
        timer.start()
        with locking.alone_then_shared(path, lambda: said.append("alone"), wait=30) as only:
            assert only and said == ["alone"]
        timer.join()
