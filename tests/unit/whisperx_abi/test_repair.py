"""The repair of a wheel: what changes, what does not, the same bytes every time, and what it refuses."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.utils import parse_wheel_filename

from module_utils.whisperx_abi.elf import read
from module_utils.whisperx_abi.repair import NOTE, Repaired, clear_execstack
from module_utils.whisperx_problem import Problem
from tests.unit.whisperx_abi.elf_samples import CC, compile_library, drop_stack_header, write_library

PADDING = random.Random(3).randbytes(300_000) + b"padding, packed well. " * 20_000


def digest(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def make_wheel(
    directory: Path, members: dict[str, bytes], version: str = "1.2.3", method: int = zipfile.ZIP_DEFLATED
) -> Path:
    """A wheel of the distribution "sample"; {info} and {data} in names stand for its directories."""
    info, data_dir = f"sample-{version}.dist-info", f"sample-{version}.data"
    whole = {
        "sample/__init__.py": b"x = 1\n",
        **members,
        "{info}/METADATA": f"Metadata-Version: 2.1\nName: sample\nVersion: {version}\n\nVersion: 9".encode(),
        "{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-any\n",
    }
    named = {name.format(info=info, data=data_dir): data for name, data in whole.items()}
    path = directory / f"sample-{version}-py3-none-any.whl"
    rows = io.StringIO()
    table = csv.writer(rows, lineterminator="\n")
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in named.items():
            archive.writestr(name, data)
            table.writerow((name, digest(data), len(data)))
        table.writerow((f"{info}/RECORD", "", ""))
        archive.writestr(f"{info}/RECORD", rows.getvalue())
    return path


def contents(path: str | Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def refusal(path: Path, out: Path, label: str = "execstack0") -> Problem:
    with pytest.raises(Problem) as caught:
        clear_execstack(str(path), str(out), label)
    assert not out.exists() or not list(out.iterdir())
    return caught.value


@pytest.fixture
def asking() -> bytes:
    return write_library(stack=7) + PADDING


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_only_the_flag_the_version_and_the_record_change(tmp_path: Path, asking: bytes, method: int) -> None:
    big_endian = write_library(32, "big", 20, 7)
    members = {
        "sample.libs/libasks.so.1": asking, "sample/big.so": big_endian, "sample/not.so": write_library(),
        "{data}/scripts/tool": b"#!python\n", "{info}/RECORD.jws": b"signature",
    }  # fmt: skip
    path = make_wheel(tmp_path, members, method=method)
    done = clear_execstack(str(path), str(tmp_path / "out"))
    assert Path(done.path).name == "sample-1.2.3+execstack0-py3-none-any.whl"
    assert done.original_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert done.sha256 == hashlib.sha256(Path(done.path).read_bytes()).hexdigest()
    before, after = contents(path), contents(done.path)
    new = "sample-1.2.3+execstack0"
    note = json.loads(after.pop(f"{new}.dist-info/{NOTE}"))
    assert note["sha256"] == done.original_sha256 and note["file"] == path.name
    assert note["changed"] == ["sample.libs/libasks.so.1", "sample/big.so"]
    for name, data in before.items():
        renamed = name.replace("sample-1.2.3.", new + ".")
        if name.endswith("RECORD.jws"):
            assert renamed not in after
        elif name in note["changed"]:
            assert sum(a != b for a, b in zip(data, after[renamed], strict=True)) == 1
        elif name.endswith("METADATA"):
            assert after[renamed] == data.replace(b"Version: 1.2.3\n", b"Version: 1.2.3+execstack0\n")
        elif not name.endswith("RECORD"):
            assert after[renamed] == data


def test_record_fits_and_is_complete(tmp_path: Path, asking: bytes) -> None:
    done = clear_execstack(str(make_wheel(tmp_path, {"sample/a.so": asking})), str(tmp_path / "out"))
    whole = contents(done.path)
    rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(next(
        data for name, data in whole.items() if name.endswith("/RECORD")).decode()))}  # fmt: skip
    assert rows.keys() == whole.keys()
    for name, (recorded, size) in rows.items():
        if not name.endswith("/RECORD"):
            assert (recorded, int(size)) == (digest(whole[name]), len(whole[name]))


def test_the_same_bytes_every_time(tmp_path: Path, asking: bytes) -> None:
    path = make_wheel(tmp_path, {"sample/a.so": asking})
    one = clear_execstack(str(path), str(tmp_path / "one"))
    other = clear_execstack(str(path), str(tmp_path / "other"))
    again = clear_execstack(str(path), str(tmp_path / "one"))
    assert one.sha256 == other.sha256 == again.sha256
    assert Path(one.path).read_bytes() == Path(other.path).read_bytes()
    assert [item.name for item in (tmp_path / "one").iterdir()] == [Path(one.path).name]


def test_the_library_stays_packed(tmp_path: Path, asking: bytes) -> None:
    path = make_wheel(tmp_path, {"sample/a.so": asking})
    done = clear_execstack(str(path), str(tmp_path / "out"))
    assert Path(done.path).stat().st_size < path.stat().st_size + 300_000 < len(asking)


@pytest.mark.parametrize(
    ("version", "label", "expected"),
    [
        ("4.4.0", "execstack0", "4.4.0+execstack0"),
        ("2.0+cpu", "x.1", "2.0+cpu.x.1"),
        ("1!2.0rc1", "a", "1!2.0rc1+a"),
    ],
)
def test_requirements_of_the_version_still_accept_it(
    tmp_path: Path, asking: bytes, version: str, label: str, expected: str
) -> None:
    done = clear_execstack(
        str(make_wheel(tmp_path, {"sample/a.so": asking}, version)), str(tmp_path / "out"), label
    )
    _name, found, _build, _tags = parse_wheel_filename(Path(done.path).name)
    assert str(found) == expected
    assert SpecifierSet(f"=={version.partition('+')[0]}").contains(found, prereleases=True)


@pytest.mark.skipif(CC is None, reason="no C compiler on this machine")
def test_a_compiled_library_loads_where_it_was_refused(tmp_path: Path) -> None:
    library = compile_library(tmp_path, "asks.so", "-z", "execstack")
    path = make_wheel(tmp_path, {"sample/asks.so": library.read_bytes()})
    done: Repaired = clear_execstack(str(path), str(tmp_path / "out"))
    fixed = tmp_path / "fixed.so"
    fixed.write_bytes(contents(done.path)["sample/asks.so"])
    elf = read(str(fixed))
    assert elf is not None and elf.stack_header and not elf.execstack
    code = f"import ctypes; ctypes.CDLL({str(fixed)!r})"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_library_without_the_header_is_refused(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, {"sample/a.so": write_library(stack=None)})
    assert refusal(path, tmp_path / "out").rule == "repair.no-header"
    if CC is not None:
        library = compile_library(tmp_path, "b.so")
        drop_stack_header(library)
        path = make_wheel(tmp_path, {"sample/b.so": library.read_bytes()})
        assert refusal(path, tmp_path / "out").rule in ("repair.no-header", "repair.nothing")


def test_a_wheel_that_needs_nothing_is_refused(tmp_path: Path, asking: bytes) -> None:
    assert refusal(make_wheel(tmp_path, {"a.so": write_library()}), tmp_path / "out").rule == "repair.nothing"
    done = clear_execstack(str(make_wheel(tmp_path, {"a.so": asking})), str(tmp_path / "once"))
    assert refusal(Path(done.path), tmp_path / "out").rule == "repair.nothing"


@pytest.mark.parametrize("label", ["", "Upper", "a_b", "a..b", "a+b", "a\n", "../x"])
def test_a_label_that_no_version_may_have(tmp_path: Path, label: str) -> None:
    assert refusal(tmp_path / "any.whl", tmp_path / "out", label).rule == "repair.label"


def test_damaged_wheels(tmp_path: Path, asking: bytes) -> None:
    path = make_wheel(tmp_path, {"sample/a.so": asking})
    whole = path.read_bytes()
    for data in (b"", b"PK", whole[:-30], whole[: len(whole) // 2]):
        path.write_bytes(data)
        assert refusal(path, tmp_path / "out").rule == "repair.wheel"
    path.write_bytes(whole)
    other = tmp_path / "sample.whl"
    other.write_bytes(whole)
    assert refusal(other, tmp_path / "out").rule == "repair.wheel"


def test_a_member_that_unpacks_to_more_than_any_library_is_not_unpacked(
    tmp_path: Path, asking: bytes
) -> None:
    path = make_wheel(tmp_path, {"tiny/lib.so": asking})
    raw = bytearray(path.read_bytes())
    place = raw.index(b"PK\1\2")
    raw[place + 24 : place + 28] = (3 << 30).to_bytes(4, "little")
    path.write_bytes(raw)
    assert refusal(path, tmp_path / "out").rule == "repair.wheel"
    assert "3221225472 bytes" in refusal(path, tmp_path / "out").found


def test_a_member_that_is_not_what_record_says(tmp_path: Path, asking: bytes) -> None:
    path = make_wheel(tmp_path, {"sample/a.so": asking})
    members = contents(path)
    members["sample/__init__.py"] = b"import os\n"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    problem = refusal(path, tmp_path / "out")
    assert problem.rule == "repair.wheel" and "sample/__init__.py" in problem.found


def test_a_member_whose_packed_bytes_have_no_end_is_refused(tmp_path: Path) -> None:
    """Python's reader is content with the bytes that the directory promises; others are not."""
    path = make_wheel(tmp_path, {"sample/a.so": write_library(stack=7)})
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        member = next(info for info in archive.infolist() if info.filename == "sample/__init__.py")
        start = member.header_offset + 30 + len(member.filename)
        # The last block says that it is not the last.
        data[start] &= ~1
    path.write_bytes(data)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
    assert refusal(path, tmp_path / "out").rule == "repair.wheel"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=5))
@example(edits=[(299393, 1)])
def test_bytes_changed_anywhere_never_end_in_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, int]]
) -> None:
    directory = tmp_path_factory.mktemp("wheel")
    path = make_wheel(directory, {"sample/a.so": write_library(stack=7) + b"rest" * 50})
    data = bytearray(path.read_bytes())
    for place, value in edits:
        data[place % len(data)] = value
    path.write_bytes(data)
    try:
        clear_execstack(str(path), str(directory / "out"))
    except Problem as problem:
        assert problem.rule in ("repair.wheel", "repair.nothing", "abi.malformed", "repair.no-header")
