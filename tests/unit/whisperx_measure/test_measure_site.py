"""The wheels of whisperx_plan_wheels: what is measured in them, how often, and what is kept of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from module_utils.whisperx_measure.packages import FILE, load_packages
from module_utils.whisperx_measure.site import Given, gather
from module_utils.whisperx_problem import Problem
from tests.unit.whisperx_catalogue.knowledge import CATALOGUE
from tests.unit.whisperx_measure.site_wheels import build, library

PACKAGES = {row.name: row for row in load_packages(CATALOGUE / FILE)}


def gathered(folder: Path, *paths: Path) -> Given:
    return gather([str(path) for path in paths] or [str(folder / "wheels")], PACKAGES, folder / "cache")


def test_a_wheel_is_measured_as_the_catalogues_are(tmp_path: Path) -> None:
    inside = {
        "ctranslate2/_ext.so": library(sass=(87,), needed=("libc.so.6", "libopenblas.so.0"), glibc="2.34"),
        "ctranslate2/__init__.py": b"",
    }
    path = build(tmp_path / "wheels", members=inside, requires=("numpy", 'x; extra == "dev"'))
    (row,) = gathered(tmp_path).rows
    assert {key: row[key] for key in row if key not in ("sha256", "size")} == {
        "file": path.name,
        "path": str(path),
        "package": "ctranslate2",
        "version": "4.8.5+cu126.sm87",
        "requires_python": ">=3.9",
        "requires_dist": ["numpy"],
        "machines": ["aarch64"],
        "abi": {
            "file": path.name, "execstack": False, "glibc": "2.34", "needs": ["libopenblas.so.0"],
            "provides": ["libwritten.so.1"], "opens": ["libcublas.so.12"], "sass": ["8.7"], "ptx": [],
            "ptx_isa": None,
        },
    }  # fmt: skip
    assert row["size"] == path.stat().st_size


def test_it_is_measured_once_per_digest(tmp_path: Path) -> None:
    path = build(tmp_path / "wheels")
    first = gathered(tmp_path)
    again = gathered(tmp_path)
    assert (first.measured, again.measured, first.rows) == (1, 0, again.rows)
    # Neither its place nor its date matters, its bytes do.
    moved = tmp_path / "moved" / path.name
    moved.parent.mkdir()
    os.replace(path, moved)
    os.utime(moved, (0, 0))
    assert gathered(tmp_path, moved).measured == 0
    build(tmp_path / "wheels", requires=("numpy",))
    other = gathered(tmp_path)
    assert (other.measured, other.rows[0]["requires_dist"]) == (1, ["numpy"])


def test_an_edit_that_keeps_size_and_date_is_found(tmp_path: Path) -> None:
    path = build(tmp_path / "wheels")
    before = gathered(tmp_path).rows[0]["sha256"]
    state = path.stat()
    data = path.read_bytes()
    with path.open("r+b") as stream:
        stream.write(data.replace(b"numpy", b"scipy"))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(Problem) as caught:
        gathered(tmp_path)
    assert before and caught.value.rule == "wheels.unreadable"


@pytest.mark.parametrize("change", ["edited", "empty", "other", "nothing"])
def test_what_is_kept_is_trusted_by_its_digest_alone(tmp_path: Path, change: str) -> None:
    build(tmp_path / "wheels")
    wanted = gathered(tmp_path).rows
    (kept,) = (tmp_path / "cache" / "measured").iterdir()
    record: dict[str, Any] = json.loads(kept.read_text())
    record["row"]["abi"]["sass"] = ["9.0"]
    texts = {"edited": json.dumps(record), "empty": "", "other": "[1]", "nothing": kept.read_text()}
    kept.write_text(texts[change])
    found = gathered(tmp_path)
    assert (found.rows, found.measured) == (wanted, int(change != "nothing"))


def test_a_cache_that_others_can_change_is_not_used(tmp_path: Path) -> None:
    build(tmp_path / "wheels")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    with pytest.raises(Problem) as caught:
        gathered(tmp_path)
    assert caught.value.rule == "wheels.untrusted-directory"


def test_files_and_directories_may_name_one_wheel_twice(tmp_path: Path) -> None:
    path = build(tmp_path / "wheels")
    build(tmp_path / "copy")
    found = gathered(tmp_path, tmp_path / "wheels", path, tmp_path / "copy")
    assert [row["file"] for row in found.rows] == [path.name]


def test_wheels_of_other_packages_are_named_and_left_alone(tmp_path: Path) -> None:
    build(tmp_path / "wheels")
    other = build(tmp_path / "wheels", "wyoming", "1.0", "py3-none-any", {"wyoming/__init__.py": b""})
    found = gathered(tmp_path)
    assert (found.others, len(found.rows)) == ((other.name,), 1)


def test_a_wheel_of_python_alone_fits_every_machine(tmp_path: Path) -> None:
    build(tmp_path / "wheels", "whisperx", "3.8.6+site1", "py3-none-any", {"whisperx/__init__.py": b""})
    (row,) = gathered(tmp_path).rows
    assert (row["machines"], "abi" in row) == (["any"], False)


@given(
    sass=st.sets(st.sampled_from((53, 60, 70, 75, 80, 86, 87, 89, 90, 100, 120)), max_size=4),
    glibc=st.sampled_from(("2.17", "2.28", "2.35", "2.41")),
    stack=st.sampled_from((6, 7)),
    needed=st.sets(st.sampled_from(("libgomp.so.1", "libcublas.so.12", "libopenblas.so.0")), max_size=3),
    machine=st.sampled_from(("x86_64", "aarch64")),
)
def test_what_a_library_says_is_in_the_row(
    tmp_path_factory: pytest.TempPathFactory,
    sass: set[int],
    glibc: str,
    stack: int,
    needed: set[str],
    machine: str,
) -> None:
    folder = tmp_path_factory.mktemp("row")
    code = library(machine, tuple(sorted(sass)), (), ("libc.so.6", *sorted(needed)), glibc, stack)
    build(folder / "wheels", tag=f"cp312-cp312-linux_{machine}", members={"ctranslate2/_ext.so": code})
    (row,) = gathered(folder).rows
    abi = row["abi"]
    assert row["machines"] == [machine]
    assert [int(text.replace(".", "")) for text in abi["sass"]] == sorted(sass)
    assert (abi["glibc"], abi["execstack"], abi["needs"]) == (glibc, stack == 7, sorted(needed))
