"""A layer depends on its entries and on nothing else."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from module_utils.whisperx_image.layer import STAMP, Entry, gone, sorted_entries, stamped, write_layer

names = st.text(st.sampled_from("abcü. -_"), min_size=1, max_size=120).filter(
    lambda name: name.strip(". ") and "/" not in name
)
paths = st.lists(names, min_size=1, max_size=4).map("/".join)


@st.composite
def trees(draw: st.DrawFn) -> dict[str, bytes]:
    """Return files by path; no file is also a directory."""
    found = draw(st.dictionaries(paths, st.binary(max_size=2000), min_size=1, max_size=12))
    return {
        path: data for path, data in found.items() if not any(other.startswith(path + "/") for other in found)
    }


def entries_of(folder: Path, files: dict[str, bytes]) -> list[Entry]:
    store = folder / "store"
    store.mkdir(exist_ok=True)
    found = []
    for path, data in files.items():
        source = store / hashlib.sha256(path.encode()).hexdigest()
        source.write_bytes(data)
        found.append(Entry(path, "file", mode=0o644, size=len(data), source=str(source)))
    return found


def written(entries: list[Entry]) -> tuple[str, bytes]:
    stream = io.BytesIO()
    digest, size = write_layer(entries, stream.write)
    assert size == len(stream.getvalue())
    return digest, stream.getvalue()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(trees(), st.randoms(use_true_random=False))
def test_the_order_in_which_files_are_found_does_not_count(tmp_path, files, luck):
    entries = entries_of(tmp_path, files)
    digest, data = written(entries)
    luck.shuffle(entries)
    assert written(entries) == (digest, data)
    assert digest == hashlib.sha256(data).hexdigest()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(trees())
def test_what_is_written_is_read_back(tmp_path, files):
    _, data = written(entries_of(tmp_path, files))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = archive.getmembers()
        found = {
            member.name: (archive.extractfile(member) or io.BytesIO()).read()
            for member in members
            if member.isreg()
        }
    assert found == files
    assert [member.name for member in members] == sorted(member.name for member in members)
    for member in members:
        parent = member.name.rpartition("/")[0]
        assert not parent or parent in [other.name for other in members]
        assert (member.uid, member.gid, member.mtime, member.uname) == (0, 0, STAMP, "")


def test_links_and_hidden_paths():
    link = Entry("opt/current", "link", mode=0o777, target="releases/x")
    _, data = written([link, gone("etc/passwd"), gone("top")])
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getmember("opt/current").linkname == "releases/x"
        assert {"etc/.wh.passwd", ".wh.top"} <= set(archive.getnames())


def test_a_file_over_eight_gigabytes_has_a_header():
    entry = Entry("big", "file", size=9 << 30)
    assert tarfile.TarInfo.frombuf(entry.header(), "utf-8", "strict").size == 9 << 30


def test_of_two_entries_for_a_path_the_last_counts():
    assert sorted_entries([Entry("a", "dir", mode=0o700), Entry("a", "dir")]) == [Entry("a", "dir")]


def test_times_of_the_build_are_made_one():
    old, new = Entry("a", "file", mtime=100), Entry("b", "file", mtime=200)
    assert [stamped(entry, 150).mtime for entry in (old, new)] == [100, STAMP]
    assert stamped(Entry("d", "dir", mtime=100), 150).mtime == STAMP


def test_a_file_that_became_shorter_is_noticed(tmp_path):
    (tmp_path / "a").write_bytes(b"12")
    with pytest.raises(OSError, match="shorter"):
        written([Entry("a", "file", size=3, source=str(tmp_path / "a"))])
