"""Compiled, shared and digested: what the managed files of an image are at the end."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from module_utils.whisperx_bake import slim


def release(base: Path, name: str, **texts: str) -> Path:
    """Make a release with an interpreter and some modules; return its path."""
    path = base / "releases" / name
    (path / "bin").mkdir(parents=True)
    (path / "bin" / "python").symlink_to(sys.executable)
    (path / "lib").mkdir()
    for module, text in texts.items():
        (path / "lib" / f"{module}.py").write_text(text)
    return path


def compiled(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (path / "lib" / "__pycache__").glob("*.pyc")}


def test_two_bakes_compile_to_the_same_bytes_and_the_second_run_to_none(tmp_path: Path) -> None:
    one = release(tmp_path / "a", "r", good="value = 1\n", bad="def\n")
    two = release(tmp_path / "b", "r", good="value = 1\n", bad="def\n")
    os.utime(two / "lib" / "good.py", (1, 1))
    for path in (one, two):
        assert slim.compile_release(str(path), check=True) == 1
        assert slim.compile_release(str(path), check=False) == 1
        assert slim.compile_release(str(path), check=True) == 0
        assert slim.compile_release(str(path), check=False) == 0
    assert compiled(one) == compiled(two) and len(compiled(one)) == 1


def test_an_interpreter_that_does_not_run_is_told(tmp_path: Path) -> None:
    path = release(tmp_path, "r")
    (path / "bin" / "python").unlink()
    (path / "bin" / "python").symlink_to("/bin/false")
    with pytest.raises(RuntimeError):
        slim.compile_release(str(path), check=False)


def test_what_releases_have_alike_becomes_one_file(tmp_path: Path) -> None:
    one = release(tmp_path, "one", same="x = 1\n", other="y = 1\n")
    two = release(tmp_path, "two", same="x = 1\n", other="y = 2\n")
    top = str(tmp_path / "releases")
    assert slim.share(top, check=True) == (1, 6)
    assert not os.path.samefile(one / "lib" / "same.py", two / "lib" / "same.py")
    assert slim.share(top, check=False) == (1, 6)
    assert os.path.samefile(one / "lib" / "same.py", two / "lib" / "same.py")
    assert (two / "lib" / "other.py").read_text() == "y = 2\n"
    assert slim.share(top, check=False) == (0, 0)


def test_a_file_with_several_names_has_one_digest(tmp_path: Path) -> None:
    one, two = release(tmp_path, "one", same="x = 1\n"), release(tmp_path, "two", same="x = 1\n")
    before = slim.digests([str(tmp_path / "releases")])
    slim.share(str(tmp_path / "releases"), check=False)
    assert slim.digests([str(tmp_path / "releases"), str(tmp_path / "none")]) == before
    assert before[str(one / "lib" / "same.py")] == before[str(two / "lib" / "same.py")]


def test_digests_leave_out_what_holds_the_time(tmp_path: Path) -> None:
    path = release(tmp_path, "r", good="")
    (path / "release.json").write_text("{}")
    found = slim.digests([str(tmp_path / "releases")])
    assert sorted(Path(name).name for name in found) == ["good.py", "python"]
    assert found[str(path / "bin" / "python")] == f"-> {sys.executable}"
    left_out = slim.varying([str(tmp_path / "releases"), str(tmp_path / "none")])
    assert left_out == {
        str(path / "release.json"): "it has the time of the build, "
        "and the duration of the verification on the builder"
    }
