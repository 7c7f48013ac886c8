"""What lies in the store is used for its digest, not for its name; what changed goes and comes again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from module_utils.whisperx_common.digests import Digests
from module_utils.whisperx_common.lockfile import LockedPackage
from module_utils.whisperx_problem import Problem
from module_utils.whisperx_wheelhouse import bundle
from module_utils.whisperx_wheelhouse.house import House

DATA = b"a wheel" * 1000
SHA = hashlib.sha256(DATA).hexdigest()
FILE = "a-1-py3-none-any.whl"
PACKAGE = LockedPackage("a", "1", SHA, FILE, len(DATA), "index")


@pytest.fixture
def house(tmp_path: Path) -> House:
    found = House(tmp_path / "house")
    path = found.path(SHA, FILE)
    path.parent.mkdir(parents=True)
    path.write_bytes(DATA)
    assert found.has(PACKAGE)
    found.remember()
    return House(found.root)


def in_place(path: Path) -> None:
    """One byte, size and date as before."""
    state = path.stat()
    with path.open("r+b") as stream:
        stream.write(b"X")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def another(path: Path) -> None:
    """Another file of the same size and date."""
    state = path.stat()
    path.unlink()
    path.write_bytes(b"X" + DATA[1:])
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def linked(path: Path) -> None:
    elsewhere = path.parent.parent / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


DAMAGES = {
    "edited": in_place,
    "replaced": another,
    "cut": lambda path: os.truncate(path, 10),
    "zeroed": lambda path: path.write_bytes(bytes(len(DATA))),
    "a link": linked,
    "a directory": lambda path: (path.unlink(), path.mkdir()),
    "a FIFO": lambda path: (path.unlink(), os.mkfifo(path)),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_not_the_file_is_lacking(house: House, damage: str) -> None:
    assert house.lacking({SHA: PACKAGE}) == {}
    DAMAGES[damage](house.path(SHA, FILE))
    assert set(House(house.root).lacking({SHA: PACKAGE})) == {SHA}
    assert set(house.lacking({SHA: PACKAGE})) == {SHA}


@given(st.binary(max_size=200))
def test_a_memory_is_believed_only_where_it_can_be_read(
    tmp_path_factory: pytest.TempPathFactory, text: bytes
) -> None:
    folder = tmp_path_factory.mktemp("memory")
    (folder / "digests.json").write_bytes(text)
    (folder / "file").write_bytes(DATA)
    memory = Digests(str(folder / "digests.json"))
    assert memory.of(str(folder / "file")) == SHA
    memory.save()
    assert Digests(str(folder / "digests.json")).of(str(folder / "file")) == SHA


def test_what_changed_in_the_store_gets_into_no_bundle(tmp_path: Path, house: House) -> None:
    in_place(house.path(SHA, FILE))
    (tmp_path / "out").mkdir()
    with pytest.raises(Problem) as caught:
        bundle._file(tmp_path / "out", f"wheels/{SHA}/{FILE}", house.path(SHA, FILE), 0o644)
    assert caught.value.rule == "wheelhouse.wrong-hash"
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []
