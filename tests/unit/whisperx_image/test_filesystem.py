"""What goes into which layer, and what into none."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from module_utils.whisperx_image.filesystem import added, exported, grouped, owners, walk
from module_utils.whisperx_image.layer import STAMP, Entry

OLD, NEW = 1_000_000_000, 2_000_000_000


def tar(path: Path, files: dict[str, bytes], mtime: int = OLD, links: dict[str, str] | None = None) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), mtime
            archive.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.LNKTYPE, target
            archive.addfile(info)
    return path


def content(entry: Entry) -> bytes:
    return b"".join(entry.blocks())


def test_an_export_is_read_without_what_engines_and_package_managers_leave(tmp_path):
    files = {
        "./etc/hosts": b"x",
        "etc/debian_version": b"13",
        "var/log/apt/history.log": b"y",
        ".dockerenv": b"",
    }
    files |= {
        "run/lock/a": b"",
        "var/lib/apt/lists/a": b"",
        "var/cache/fontconfig/c": b"",
        "usr/bin/perl": b"p",
    }
    found = exported(str(tar(tmp_path / "a.tar", files, links={"usr/bin/perl5": "usr/bin/perl"})))
    assert sorted(found) == ["etc/debian_version", "usr/bin/perl", "usr/bin/perl5"]
    assert content(found["etc/debian_version"]) == b"13"
    assert content(found["usr/bin/perl5"]) == b"p"


def test_a_layer_has_what_is_new_changed_and_gone(tmp_path):
    before = exported(
        str(tar(tmp_path / "a.tar", {"same": b"1", "changed": b"1", "gone": b"1", "kept": b"1"}))
    )
    second = tar(tmp_path / "b.tar", {"same": b"1", "changed": b"2", "new": b"1"}, NEW)
    after = {**exported(str(second)), "kept": before["kept"]}
    found = {entry.path: entry for entry in added(before, after, NEW - 1)}
    assert sorted(found) == [".wh.gone", "changed", "new"]
    assert {entry.mtime for entry in found.values()} == {STAMP}


def test_a_packages_own_time_stays(tmp_path):
    after = exported(str(tar(tmp_path / "b.tar", {"new": b"1"}, OLD)))
    assert [entry.mtime for entry in added({}, after, NEW)] == [OLD]


def test_of_a_directory_that_went_only_the_top_is_hidden(tmp_path):
    before = {path: Entry(path, "dir") for path in ("a", "a/b", "a/b/c")}
    assert [entry.path for entry in added(before, {}, NEW)] == [".wh.a"]


def test_a_tree_is_made_roots_own_and_timeless(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "run").write_text("x")
    (tmp_path / "bin" / "run").chmod(0o775)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "big").write_text("x")
    (tmp_path / "current").symlink_to("bin")
    found = {entry.path: entry for entry in walk(str(tmp_path), "opt/x", ["cache"])}
    assert sorted(found) == ["opt/x/bin", "opt/x/bin/run", "opt/x/current"]
    assert (found["opt/x/bin/run"].mode, found["opt/x/bin/run"].mtime) == (0o755, STAMP)
    assert found["opt/x/current"].target == "bin"


def test_files_go_with_their_package_and_byte_code_with_its_source(tmp_path):
    for name, files in {
        "nvidia_cublas_cu12-12.8": ["nvidia/cublas.so"],
        "tiny-1.0": ["tiny/__init__.py"],
    }.items():
        info = tmp_path / f"{name}.dist-info"
        info.mkdir()
        (info / "RECORD").write_text("".join(f"{path},,\n" for path in files))
    layers = [("NVIDIA", ["nvidia-*"]), ("top", ["tiny"])]
    paths = [
        "nvidia/cublas.so",
        "tiny/__init__.py",
        "tiny/__pycache__/__init__.cpython-313.pyc",
        "tiny-1.0.dist-info/RECORD",
        "_virtualenv.pth",
    ]
    found = grouped(paths, owners(str(tmp_path)), layers)
    assert list(found.values()) == ["NVIDIA", "top", "top", "top", ""]
