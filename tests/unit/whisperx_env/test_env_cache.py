"""What is in the download cache is what was unpacked, or it is named; what a power cut left is removed."""

from __future__ import annotations

import base64
import hashlib
import os
import random
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from env_hosts import Host, wanted

from module_utils.whisperx_env import cache
from module_utils.whisperx_release import building, state
from module_utils.whisperx_release.building import Building

FILES = {
    "tiny/__init__.py": b"version = '1.0'\n",
    "tiny/deep/er/data.bin": bytes(range(256)) * 20,
    "tiny/empty": b"",
    "tiny-1.0.data/scripts/tiny": b"#!python\n",
}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host with an empty root."""
    found = Host(tmp_path)
    found.root.mkdir()
    return found


@pytest.fixture
def archive(host: Host) -> Path:
    """A wheel that uv has unpacked."""
    return unpack(host, "one", "tiny")


def unpack(host: Host, identity: str, name: str) -> Path:
    top = Path(host.layout.cache) / "archive-v0" / identity
    rows = []
    for path, contents in FILES.items():
        target = top / path.replace("tiny", name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(contents)
        digest = base64.urlsafe_b64encode(hashlib.sha256(contents).digest()).decode().rstrip("=")
        rows.append(f"{path.replace('tiny', name)},sha256={digest},{len(contents)}\n")
    info = top / f"{name}-1.0.dist-info"
    info.mkdir()
    info.joinpath("RECORD").write_text("".join(rows) + f"{info.name}/RECORD,,\n")
    return top


def rewritten(path: Path, contents: bytes, keep_date: bool = False) -> None:
    facts = path.stat()
    path.write_bytes(contents)
    if keep_date:
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def other(contents: bytes) -> bytes:
    """Return as many other bytes."""
    return bytes(byte ^ 1 for byte in contents)


def fresh_date(path: Path) -> None:
    """Give a file a date of its own: two writes within a tick of the clock have the same."""
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1))


def same_size(path: Path) -> None:
    rewritten(path, other(path.read_bytes()) or b"")
    fresh_date(path)


EDITS: dict[str, Callable[[Path], None]] = {
    "another size": lambda path: rewritten(path, path.read_bytes() + b"# edited\n", keep_date=True),
    "the same size": same_size,
    "only its date": fresh_date,
    "gone": lambda path: path.unlink(),
    "cut off": lambda path: rewritten(path, path.read_bytes()[:-1] or b"x", keep_date=True),
    "replaced by a link": lambda path: (path.unlink(), path.symlink_to("/etc/passwd")),  # type: ignore[func-returns-value]
    "another beside it": lambda path: path.with_name("added").touch(),
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("name", [*FILES, "tiny-1.0.dist-info/RECORD"])
def test_every_edit_of_every_file_is_seen(host: Host, archive: Path, edit: str, name: str) -> None:
    unpack(host, "two", "other")
    cache.note(host.layout)
    assert cache.edited(host.layout, ["tiny", "other"]) == {}
    EDITS[edit](archive / name)
    found = cache.edited(host.layout, ["tiny", "other"])
    assert list(found) == ["tiny"]
    assert os.path.dirname(name) in found["tiny"]
    assert cache.edited(host.layout, ["other", "absent"]) == {}


@pytest.mark.parametrize("name", [name for name, contents in FILES.items() if contents])
def test_an_edit_that_keeps_size_and_date_is_seen_by_its_digest_only(
    host: Host, archive: Path, name: str
) -> None:
    cache.note(host.layout)
    rewritten(archive / name, other((archive / name).read_bytes()), keep_date=True)
    assert cache.edited(host.layout, ["tiny"]) == {}
    assert cache.edited(host.layout, ["tiny"], digests=True) == {"tiny": f"{name} was edited"}


def test_a_record_that_was_edited_with_its_file_is_seen_by_digests(host: Host, archive: Path) -> None:
    cache.note(host.layout)
    path, record = archive / "tiny/__init__.py", archive / "tiny-1.0.dist-info/RECORD"
    edited = other(path.read_bytes())
    before, after = (
        base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        for data in (path.read_bytes(), edited)
    )
    rewritten(path, edited, keep_date=True)
    rewritten(record, record.read_bytes().replace(before.encode(), after.encode()), keep_date=True)
    assert "RECORD" in cache.edited(host.layout, ["tiny"], digests=True)["tiny"]


def test_links_and_later_notes_change_nothing(host: Host, archive: Path, tmp_path: Path) -> None:
    cache.note(host.layout)
    for name in FILES:
        os.link(archive / name, tmp_path / name.replace("/", "-"))
        (archive / name).chmod(0o755)
    assert cache.edited(host.layout, ["tiny"]) == {}
    same_size(archive / "tiny/__init__.py")
    cache.note(host.layout)  # an edit is not noted as the new truth
    assert list(cache.edited(host.layout, ["tiny"])) == ["tiny"]


@pytest.mark.parametrize("edit", ["another size", "gone", "cut off"])
def test_what_was_unpacked_before_there_were_notes_is_compared_with_its_record(
    host: Host, archive: Path, edit: str
) -> None:
    assert cache.edited(host.layout, ["tiny"]) == {}
    EDITS[edit](archive / "tiny/deep/er/data.bin")
    assert list(cache.edited(host.layout, ["tiny"])) == ["tiny"]


@pytest.mark.parametrize("row", ["/nowhere/file", "../one/file", "tiny/../file"])
@pytest.mark.parametrize("digests", [False, True])
def test_a_record_leads_nowhere_else(host: Host, archive: Path, row: str, digests: bool) -> None:
    """Wheels may say such things; what lies elsewhere is not of the wheel."""
    with (archive / "tiny-1.0.dist-info/RECORD").open("a") as record:
        record.write(f"{row},sha256=AAAA,1\n\n,,\n")
    assert cache.edited(host.layout, ["tiny"], digests) == {}


def test_a_row_of_a_record_without_digest_and_size_names_a_file_too(host: Host, archive: Path) -> None:
    with (archive / "tiny-1.0.dist-info/RECORD").open("a") as record:
        record.write("tiny/made,,\n")
    assert cache.edited(host.layout, ["tiny"]) == {"tiny": "tiny/made is gone"}


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b"\xff", b'{"name": 3, "files": []}', b'{"name": "tiny"}']
)
def test_a_note_that_cannot_be_read_is_none(host: Host, archive: Path, damage: bytes) -> None:
    cache.note(host.layout)
    (notes,) = Path(host.layout.cache).glob("whisperx-fleet-noted/*")
    notes.write_bytes(damage)
    assert cache.edited(host.layout, ["tiny"]) == {}
    EDITS["another size"](archive / "tiny/__init__.py")
    assert list(cache.edited(host.layout, ["tiny"])) == ["tiny"]


def test_notes_go_with_what_they_are_about(host: Host, archive: Path) -> None:
    unpack(host, "two", "other")
    cache.note(host.layout)
    notes = Path(host.layout.cache) / "whisperx-fleet-noted"
    assert sorted(os.listdir(notes)) == ["one", "two"]
    archive.rename(archive.with_name("gone"))
    cache.note(host.layout)
    assert sorted(os.listdir(notes)) == ["gone", "two"]


@pytest.mark.parametrize("mode", [0o777, 0o755, 0o700, 0o770])
def test_the_cache_is_closed_to_others(host: Host, mode: int) -> None:
    path = Path(host.layout.cache)
    cache.prepare(host.layout)
    path.chmod(mode)
    cache.prepare(host.layout)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


SINCE = time.time_ns() - 10**12
CUT = Building("tiny-2", SINCE, same_boot=False)
KILLED = Building("tiny-2", SINCE, same_boot=True)


def pointer(host: Host, name: str, contents: bytes, when: int) -> Path:
    path = Path(host.layout.cache) / "wheels-v8" / "index" / "0" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(contents)
    os.utime(path, ns=(when, when))
    return path


def test_after_a_power_cut_what_was_written_since_goes_and_what_is_older_stays(host: Host) -> None:
    old = pointer(host, "old.rev", b"old", SINCE - 10**11)
    young = pointer(host, "young.http", b"young", SINCE + 1)
    future = pointer(host, "future.msgpack", b"of a clock that was wrong", time.time_ns() + 10**15)
    empty = pointer(host, "empty.rev", b"", SINCE - 10**11)
    lock = pointer(host, "one.lock", b"", SINCE + 1)
    cache.heal(host.layout, CUT)
    assert [path.exists() for path in (old, young, future, empty, lock)] == [True, False, False, False, True]


@pytest.mark.parametrize("found", [KILLED, Building()])
def test_after_a_kill_only_what_is_empty_goes(host: Host, found: Building, archive: Path) -> None:
    young = pointer(host, "young.http", b"young", SINCE + 1)
    empty = pointer(host, "empty.rev", b"", SINCE + 1)
    assert cache.heal(host.layout, found) == set()
    assert young.exists() and not empty.exists()
    assert (archive / "tiny/empty").exists()


def test_what_another_root_is_writing_into_a_shared_cache_stays(host: Host, archive: Path) -> None:
    """uv writes an empty file first; twenty hosts that shared a cache lost theirs to each other."""

    def heal() -> None:
        cache.heal(host.layout, Building())

    with cache.in_use(host.layout, heal, 0):
        written = pointer(host, ".tmp1/yaml/_yaml.so", b"", SINCE)
        with cache.in_use(host.layout, heal, 0):
            assert written.exists()
    with cache.in_use(host.layout, heal, 0):
        assert not written.exists()


@pytest.mark.parametrize("seed", range(10))
def test_after_a_power_cut_every_wheel_that_is_not_whole_is_named(host: Host, seed: int) -> None:
    """Sizes may be right and contents not: some file systems leave zeros."""
    chance = random.Random(seed)
    names = [f"package{number}" for number in range(6)]
    archives = {name: unpack(host, name, name) for name in names}
    cut = set()
    for name in chance.sample(names, 3):
        victim = chance.choice([path for path in FILES if FILES[path]]).replace("tiny", name)
        size = chance.randrange(len((archives[name] / victim).read_bytes()))
        zeros = chance.random() < 0.5
        data = (archives[name] / victim).read_bytes()
        (archives[name] / victim).write_bytes(b"\0" * len(data) if zeros else data[:size])
        cut.add(name)
    nameless = Path(host.layout.cache) / "archive-v0" / "nameless"
    nameless.mkdir()
    assert cache.heal(host.layout, CUT) == cut
    assert not nameless.exists()


def test_a_release_that_is_being_made_is_known_until_its_end(host: Host) -> None:
    assert building.read(host.layout) == Building()
    building.begin(host.layout, "one")
    first = building.read(host.layout)
    assert first.release == "one" and first.same_boot and 0 < first.since <= time.time_ns()
    building.begin(host.layout, "two")
    assert building.read(host.layout) == Building("two", first.since)
    building.end(host.layout)
    building.end(host.layout)
    assert building.read(host.layout) == Building()


@pytest.mark.parametrize(
    "contents", ["", "{", '{"release": 3, "since": "x", "boot": []}', '{"release": "one"}']
)
def test_a_note_that_cannot_be_read_counts_as_a_cut(host: Host, contents: str) -> None:
    Path(host.layout.path(building.NAME)).write_text(contents)
    assert not building.read(host.layout).same_boot


def test_a_release_that_is_being_made_is_not_complete_whatever_lies_in_it(host: Host) -> None:
    """A wheel brought a record of ours, and the run was killed before it was refused."""
    host.release(wanted("1.0"))
    building.begin(host.layout, wanted("1.0").name)
    assert state.read(host.layout).half_built == (wanted("1.0").name,)
    building.end(host.layout)
    assert state.read(host.layout).half_built == ()
