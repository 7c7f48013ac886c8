"""Wheels that are refused by name: damaged, hostile, ambiguous, or not what their name says."""

from __future__ import annotations

import os
import random
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from module_utils.whisperx_measure.packages import FILE, load_packages
from module_utils.whisperx_measure.site import gather
from module_utils.whisperx_problem import Problem
from tests.unit.whisperx_catalogue.knowledge import CATALOGUE
from tests.unit.whisperx_measure.site_wheels import build, library, record, write

PACKAGES = {row.name: row for row in load_packages(CATALOGUE / FILE)}
TAG = "cp310-cp310-linux_aarch64"
STEM = "ctranslate2-4.8.5+cu126.sm87"
INFO = f"{STEM}.dist-info"


def refusal(folder: Path, *paths: Path) -> Problem:
    with pytest.raises(Problem) as caught:
        gather([str(path) for path in paths] or [str(folder)], PACKAGES, folder / "cache")
    return caught.value


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


Change = Callable[[dict[str, bytes]], Mapping[str, bytes]]


def with_member(name: str, data: bytes = b"x") -> Change:
    return lambda inside: inside | {name: data}


def without(name: str) -> Change:
    return lambda inside: {key: value for key, value in inside.items() if key != name}


def replaced(name: str, old: bytes, new: bytes) -> Change:
    return lambda inside: inside | {name: inside[name].replace(old, new)}


@pytest.mark.parametrize(
    ("change", "rule", "said"),
    [
        (with_member("../outside.py"), "wheels.claims", "leads out of the environment"),
        (with_member("ctranslate2/../../outside.py"), "wheels.claims", "leads out"),
        (with_member("/etc/cron.d/x"), "wheels.claims", "leads out"),
        (with_member("ctranslate2//_ext.so"), "wheels.claims", "leads out"),
        (with_member("./ctranslate2/_ext.so"), "wheels.claims", "leads out"),
        (with_member("ctranslate2\\x.py"), "wheels.claims", "leads out"),
        (with_member("C:/x.py"), "wheels.claims", "leads out"),
        (with_member("ctranslate2/a\nb.py"), "wheels.claims", "leads out"),
        (
            with_member(f"{STEM}.data/purelib/ctranslate2/_ext.so"),
            "wheels.claims",
            "claim ctranslate2/_ext.so",
        ),
        (
            with_member(f"{STEM}.data/platlib/ctranslate2/_ext.so"),
            "wheels.claims",
            "claim ctranslate2/_ext.so",
        ),
        (with_member("ctranslate2/_ext.so/inside.py"), "wheels.claims", "as a file and as a directory"),
        (with_member("ctranslate2/_ext.so/"), "wheels.claims", "as a file and as a directory"),
        (with_member("other-1.0.dist-info/METADATA"), "wheels.unreadable", "2 directories .dist-info"),
        (without(f"{INFO}/METADATA"), "wheels.unreadable", "has no"),
        (without(f"{INFO}/WHEEL"), "wheels.unreadable", "has no"),
        (without(f"{INFO}/RECORD"), "wheels.unreadable", "has no"),
        (replaced(f"{INFO}/METADATA", b"Name: ctranslate2", b"Name: torch"), "wheels.name", "METADATA torch"),
        (replaced(f"{INFO}/METADATA", b"+cu126.sm87", b""), "wheels.name", "METADATA ctranslate2 4.8.5"),
        (replaced(f"{INFO}/METADATA", b"Version", b"X-Version"), "wheels.name", "no version"),
        (replaced(f"{INFO}/METADATA", b">=3.9", b"3.9 or so"), "wheels.unreadable", "requires Python"),
        (replaced(f"{INFO}/WHEEL", b"cp310-cp310", b"cp312-cp312"), "wheels.name", "WHEEL cp312-cp312"),
        (replaced(f"{INFO}/WHEEL", b"Tag:", b"X-Tag:"), "wheels.name", "WHEEL no tag"),
    ],
)
def test_what_is_inside_is_refused_by_name(tmp_path: Path, change: Change, rule: str, said: str) -> None:
    inside = dict(change(members(build(tmp_path / "whole"))))
    if f"{INFO}/RECORD" in inside:
        rest = {name: data for name, data in inside.items() if not name.endswith("/RECORD")}
        inside[f"{INFO}/RECORD"] = record(rest, INFO)
    problem = refusal(tmp_path, write(tmp_path / f"{STEM}-{TAG}.whl", inside))
    assert problem.rule == rule
    assert problem.found.startswith(f"{STEM}-{TAG}.whl: ") and said in problem.found, problem.found


def test_a_member_that_record_does_not_have_as_it_is(tmp_path: Path) -> None:
    inside = members(build(tmp_path / "whole"))
    inside["ctranslate2/_ext.so"] += b"more"
    assert "is not what RECORD says" in refusal(tmp_path, write(tmp_path / f"{STEM}-{TAG}.whl", inside)).found


def test_two_rows_of_record_for_one_path(tmp_path: Path) -> None:
    inside = members(build(tmp_path / "whole"))
    inside[f"{INFO}/RECORD"] += b"ctranslate2/./_ext.so,,\n"
    problem = refusal(tmp_path, write(tmp_path / f"{STEM}-{TAG}.whl", inside))
    assert (problem.rule, "two rows for ctranslate2/_ext.so" in problem.found) == ("wheels.claims", True)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name(tmp_path: Path) -> None:
    path = build(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("ctranslate2/_ext.so", b"another")
    problem = refusal(tmp_path)
    assert (problem.rule, "two members claim ctranslate2/_ext.so" in problem.found) == ("wheels.claims", True)


def test_two_files_of_one_name(tmp_path: Path) -> None:
    build(tmp_path / "one")
    build(tmp_path / "two", requires=("numpy",))
    problem = refusal(tmp_path, tmp_path / "one", tmp_path / "two")
    assert (problem.rule, "the same name and other contents" in problem.found) == ("wheels.claims", True)


def test_a_link_and_an_encrypted_member(tmp_path: Path) -> None:
    path = build(tmp_path)
    link = zipfile.ZipInfo("ctranslate2/link.so")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "is a link" in refusal(tmp_path).found
    data = bytearray(build(tmp_path).read_bytes())
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(mark) + place] |= 1
    path.write_bytes(data)
    assert "is encrypted" in refusal(tmp_path).found


def test_a_header_that_names_another_member_than_the_directory(tmp_path: Path) -> None:
    path = build(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"ctranslate2/_ext.so", b"ctranslate2/_evi.so", 1))
    problem = refusal(tmp_path)
    assert (problem.rule, "another name in its own header" in problem.found) == ("wheels.claims", True)


def test_members_that_share_bytes(tmp_path: Path) -> None:
    """As the bombs of members that overlap: the directory names one place twice."""
    path = build(tmp_path)
    data = bytearray(path.read_bytes())
    places = _each(data, b"PK\1\2")
    struct.pack_into("<I", data, places[1] + 42, struct.unpack_from("<I", data, places[0] + 42)[0])
    path.write_bytes(data)
    assert refusal(tmp_path).rule == "wheels.claims"


def _each(data: bytes, mark: bytes) -> list[int]:
    found, place = [], data.find(mark)
    while place >= 0:
        found.append(place)
        place = data.find(mark, place + 1)
    return found


def test_bytes_before_the_first_member(tmp_path: Path) -> None:
    path = build(tmp_path)
    path.write_bytes(b"#!/bin/sh\nexit 0\n" + path.read_bytes())
    assert refusal(tmp_path).rule == "wheels.claims"


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    inside = members(build(tmp_path / "whole")) | {"ctranslate2/zeros.so": bytes(120 << 20)}
    path = write(tmp_path / f"{STEM}-{TAG}.whl", inside, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 20
    problem = refusal(tmp_path, path)
    assert (problem.rule, "bytes unpack to" in problem.found) == ("wheels.unreadable", True)


def test_a_member_with_more_than_the_directory_says(tmp_path: Path) -> None:
    path = build(tmp_path)
    data = bytearray(path.read_bytes())
    for mark, place in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<I", data, data.index(mark) + place, 10)
    path.write_bytes(data)
    assert refusal(tmp_path).rule == "wheels.unreadable"


@pytest.mark.parametrize("data", [b"", b"no zip file", b"PK\5\6" + bytes(18)])
def test_what_is_no_wheel(tmp_path: Path, data: bytes) -> None:
    (tmp_path / f"{STEM}-{TAG}.whl").write_bytes(data)
    assert refusal(tmp_path).rule == "wheels.unreadable"


@pytest.mark.parametrize(
    ("tag", "made", "said"),
    [
        (TAG, "x86_64", "its name says aarch64, ctranslate2/_ext.so is for x86_64"),
        ("py3-none-any", "aarch64", "its name says any machine, ctranslate2/_ext.so is for aarch64"),
    ],
)
def test_libraries_of_another_machine(tmp_path: Path, tag: str, made: str, said: str) -> None:
    build(tmp_path, tag=tag, members={"ctranslate2/_ext.so": library(made)})
    assert refusal(tmp_path).found.endswith(said)


def test_a_damaged_library(tmp_path: Path) -> None:
    build(tmp_path, members={"ctranslate2/_ext.so": library()[:100]})
    problem = refusal(tmp_path)
    assert (problem.rule, "ctranslate2/_ext.so" in problem.found) == ("wheels.unreadable", True)


@pytest.mark.parametrize("name", ["ctranslate2.whl", "ctranslate2-4.8.5.whl", f"ctranslate2-new-{TAG}.whl"])
def test_a_name_that_is_none(tmp_path: Path, name: str) -> None:
    build(tmp_path / "whole").rename(tmp_path / name)
    assert refusal(tmp_path, tmp_path / name).rule == "wheels.name"


def test_a_wheel_under_another_name(tmp_path: Path) -> None:
    build(tmp_path / "whole").rename(tmp_path / f"ctranslate2-4.9.0-{TAG}.whl")
    assert (
        "its name says ctranslate2 4.9.0, METADATA ctranslate2 4.8.5"
        in refusal(tmp_path, tmp_path / f"ctranslate2-4.9.0-{TAG}.whl").found
    )


def test_all_that_are_refused_are_named(tmp_path: Path) -> None:
    (tmp_path / f"ctranslate2-1.0-{TAG}.whl").write_bytes(b"x")
    (tmp_path / f"torch-1.0-{TAG}.whl").write_bytes(b"y")
    build(tmp_path)
    found = refusal(tmp_path).found
    assert "ctranslate2-1.0" in found and "torch-1.0" in found and STEM not in found


@pytest.mark.parametrize("path", ["missing", "empty", "file.txt"])
def test_paths_without_a_wheel(tmp_path: Path, path: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").touch()
    problem = refusal(tmp_path, tmp_path / path)
    assert (problem.rule, problem.where, path in problem.found) == (
        "wheels.path",
        "whisperx_plan_wheels",
        True,
    )


def test_a_pipe_is_no_wheel(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"{STEM}-{TAG}.whl")
    assert refusal(tmp_path).rule == "wheels.unreadable"


@pytest.mark.parametrize("seed", range(60))
def test_damage_anywhere_is_refused_or_harmless(tmp_path: Path, seed: int) -> None:
    """Whatever bytes change, a Problem comes of it, or the row of the whole wheel."""
    path = build(tmp_path / "whole")
    wanted = gather([str(path)], PACKAGES, tmp_path / "first").rows[0]
    draw = random.Random(seed)
    data = bytearray(path.read_bytes())
    for _ in range(draw.randint(1, 6)):
        data[draw.randrange(len(data))] = draw.randrange(256)
    if draw.random() < 0.3:
        del data[draw.randrange(len(data)) :]
    broken = tmp_path / "broken" / path.name
    broken.parent.mkdir()
    broken.write_bytes(data)
    try:
        row = gather([str(broken)], PACKAGES, tmp_path / "cache").rows[0]
    except Problem as problem:
        assert problem.rule.startswith("wheels.") and path.name in problem.found
    else:
        same = ("package", "version", "requires_dist", "requires_python", "abi", "machines")
        assert {key: row[key] for key in same} == {key: wanted[key] for key in same}
