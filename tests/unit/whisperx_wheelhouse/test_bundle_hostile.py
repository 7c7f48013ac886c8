"""Whoever carries a bundle may change it: what is not listed is not used, and no name leads out of it."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from module_utils.whisperx_problem import Problem
from module_utils.whisperx_wheelhouse import bundle, listing
from module_utils.whisperx_wheelhouse.house import House
from module_utils.whisperx_wheelhouse.metadata import read_metadata

RECORD = json.dumps({"schema": 1, "classes": {}})


def small(root: Path, more: str = "") -> Path:
    """Make the smallest bundle there is, with further lines in its list."""
    (root / "wheels").mkdir(parents=True, exist_ok=True)
    (root / "bundle.json").write_text(RECORD)
    (root / "wheels/a.whl").write_text("a")
    lines = [
        f"{hashlib.sha256((root / name).read_bytes()).hexdigest()}  {name}\n"
        for name in ("bundle.json", "wheels/a.whl")
    ]
    (root / listing.SUMS).write_text("".join(lines) + more)
    return root


def refused(root: Path, digest: str = "") -> Problem:
    with pytest.raises(Problem) as caught:
        listing.check(root, digest)
    return caught.value


def test_the_bundle_itself_is_taken(tmp_path: Path) -> None:
    root = small(tmp_path)
    digest = hashlib.sha256((root / listing.SUMS).read_bytes()).hexdigest()
    for given_digest in ("", digest, digest.upper(), f"sha256:{digest}", f" {digest}\n"):
        assert listing.check(root, given_digest)["schema"] == 1


@pytest.mark.parametrize("digest", ["0" * 64, "short", "{{ x }}", "0" * 65])
def test_another_list_than_was_carried_apart_is_refused(tmp_path: Path, digest: str) -> None:
    assert refused(small(tmp_path), digest).rule == "bundle.digest"


PLANTED = {
    "beside the list": lambda root: (root / "uv").write_text("#!/bin/sh"),
    "in a directory": lambda root: (root / "uv/0").mkdir(parents=True) or (root / "uv/0/uv").write_text("x"),
    "hidden": lambda root: (root / "wheels/.x").write_text("x"),
    "a link to a file": lambda root: (root / "uv").symlink_to("/bin/sh"),
    "a link to nowhere": lambda root: (root / "uv").symlink_to("/nonexistent"),
    "a link to a directory": lambda root: (root / "uv").symlink_to("/bin"),
    "a FIFO": lambda root: os.mkfifo(root / "uv"),
    "a name with a line's end": lambda root: (root / "a\nb").write_text("x"),
    "a name that is no UTF-8": lambda root: Path(os.fsdecode(os.fsencode(root) + b"/\xff")).write_text("x"),
}


@pytest.mark.parametrize("how", PLANTED)
def test_what_is_not_listed_is_named_and_refused(tmp_path: Path, how: str) -> None:
    root = small(tmp_path)
    PLANTED[how](root)
    problem = refused(root)
    assert problem.rule == "bundle.unlisted"
    assert problem.sentence().isprintable()


def test_a_listed_name_that_is_a_link_is_refused(tmp_path: Path) -> None:
    root = small(tmp_path)
    (root / "wheels/a.whl").rename(tmp_path / "elsewhere")
    for target in (tmp_path / "elsewhere", "../elsewhere"):
        (root / "wheels/a.whl").unlink(missing_ok=True)
        (root / "wheels/a.whl").symlink_to(target)
        assert refused(root).rule in ("bundle.damaged", "bundle.unlisted")


def test_a_directory_that_is_a_link_is_refused(tmp_path: Path) -> None:
    root = small(tmp_path / "b")
    (root / "wheels").rename(tmp_path / "elsewhere")
    (root / "wheels").symlink_to(tmp_path / "elsewhere")
    assert refused(root).rule == "bundle.unlisted"


NAMES = [
    "../x",
    "/etc/passwd",
    "a/../b",
    "./a",
    "a//b",
    "a/",
    "",
    ".",
    "..",
    listing.SUMS,
    "wheels/a.whl",
    "a\rb/..",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_has_one_spelling_and_stays_inside(tmp_path: Path, name: str) -> None:
    assert refused(small(tmp_path, f"{'0' * 64}  {name}\n")).rule == "bundle.damaged"


LINES = st.lists(
    st.one_of(
        st.text(max_size=80),
        st.builds(
            lambda name: f"{'0' * 64}  {name}", st.one_of(st.sampled_from(NAMES), st.text(max_size=20))
        ),
    ),
    max_size=6,
)


@given(
    st.one_of(st.binary(max_size=300), LINES.map(lambda lines: "\n".join(lines).encode("utf-8", "replace")))
)
def test_a_list_of_any_bytes_ends_in_a_problem(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    root = small(tmp_path_factory.mktemp("bundle"))
    (root / listing.SUMS).write_bytes(data)
    problem = refused(root)
    assert problem.rule.startswith("bundle.") and problem.sentence().isprintable()


@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=5),
            lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["schema", "classes"]), inner),
        ).map(lambda value: json.dumps(value).encode()),
        st.just(b"[" * 100_000),
    )
)
def test_a_record_of_any_bytes_ends_in_a_problem_or_is_one(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    root = small(tmp_path_factory.mktemp("bundle"))
    (root / "bundle.json").write_bytes(data)
    (root / listing.SUMS).write_text(f"{hashlib.sha256(data).hexdigest()}  bundle.json\n")
    (root / "wheels/a.whl").unlink()
    try:
        assert listing.check(root)["schema"] == 1
    except Problem as problem:
        assert problem.rule == "bundle.schema" and problem.sentence().isprintable()


def test_a_list_that_is_no_file_or_too_large_is_refused(tmp_path: Path) -> None:
    for make in (
        lambda path: path.mkdir(),
        lambda path: os.mkfifo(path),
        lambda path: path.symlink_to("/etc/passwd"),
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.open("wb").truncate(1 << 40),
    ):
        root = small(tmp_path / str(len(list(tmp_path.iterdir()))))
        (root / listing.SUMS).unlink()
        make(root / listing.SUMS)
        assert refused(root).rule == "bundle.damaged"


def test_a_bundle_is_not_written_through_links_that_lie_there(tmp_path: Path) -> None:
    """A stick that comes back may have more on it than it left with."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "x").write_text("mine")
    root = small(tmp_path / "out", f"{'0' * 64}  catalogue/x\n")
    (root / "catalogue").symlink_to(precious)
    with pytest.raises(Problem) as caught:
        bundle.make(root, {}, House(tmp_path / "house"), tmp_path / "none")
    assert caught.value.rule == "bundle.foreign-directory" and "catalogue" in caught.value.found
    assert (precious / "x").read_text() == "mine"


def test_what_a_killed_run_left_goes_when_the_bundle_is_made_again(tmp_path: Path) -> None:
    root = tmp_path / "out"
    bundle.make(root, {}, House(tmp_path / "house"), tmp_path / "none")
    (root / "wheels/0").mkdir(parents=True)
    (root / "wheels/0/half.whl.new").write_text("half")
    made = bundle.make(root, {}, House(tmp_path / "house"), tmp_path / "none")
    assert listing.check(root, made.digest)["classes"] == {}


def wheel(path: Path, members: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


META = "a-1.dist-info/METADATA"
GOOD = b"Metadata-Version: 2.1\nName: a\nVersion: 1\n\nbody\n"


def lying(path: Path) -> Path:
    """A member that unpacks to much more than it says."""
    data = zlib.compress(bytes(40 << 20), 9)[2:-4]
    name = META.encode()
    head = struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 20, 0, 8, 0, 33, 0, len(data), 10, len(name), 0)
    central = struct.pack(
        "<4sHHHHHHIIIHHHHHII", b"PK\1\2", 20, 20, 0, 8, 0, 33, 0, len(data), 10, len(name), *[0] * 6
    )
    body = head + name + data
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1, 1, len(central) + len(name), len(body), 0)
    path.write_bytes(body + central + name + end)
    return path


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_metadata_of_hostile_wheels_ends_in_a_problem(tmp_path: Path) -> None:
    nested = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" * 3000
    assert read_metadata(wheel(tmp_path / "good.whl", [(META, GOOD)]))["Name"] == "a"
    assert read_metadata(wheel(tmp_path / "nested.whl", [(META, nested)])) is not None
    bad = {
        "bomb": wheel(tmp_path / "bomb.whl", [(META, bytes(64 << 20))]),
        "twice": wheel(tmp_path / "twice.whl", [(META, GOOD), (META, GOOD)]),
        "two": wheel(tmp_path / "two.whl", [(META, GOOD), ("b-1.dist-info/METADATA", GOOD)]),
        "none": wheel(tmp_path / "none.whl", [("/a-1.dist-info/METADATA", GOOD), ("../" + META, GOOD)]),
        "absent": tmp_path / "absent.whl",
        "directory": tmp_path,
        "lzma": wheel(tmp_path / "lzma.whl", [(META, bytes(64 << 20))], zipfile.ZIP_LZMA),
    }
    for path in bad.values():
        with pytest.raises(Problem) as caught:
            read_metadata(path)
        assert caught.value.rule == "bundle.wheel"
    try:  # cut at the length that it says, or refused: not unpacked
        assert len(read_metadata(lying(tmp_path / "lying.whl")).as_bytes()) < 100
    except Problem as problem:
        assert problem.rule == "bundle.wheel"


@given(st.data())
def test_a_wheel_with_any_bytes_changed_ends_in_a_problem_or_is_read(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = wheel(tmp_path_factory.mktemp("wheel") / "a.whl", [("a.py", b"x" * 100), (META, GOOD)])
    raw = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=8)):
        raw[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    path.write_bytes(bytes(raw[: cut or None]))
    try:
        read_metadata(path)
    except Problem as problem:
        assert problem.rule == "bundle.wheel" and problem.sentence().isprintable()
