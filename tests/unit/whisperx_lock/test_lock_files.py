"""uv's answer, the choice of a wheel, and the files that travel with a run."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import time
import zipfile
from pathlib import Path

import pytest

from module_utils.whisperx_common.cache_dir import default_cache_dir
from module_utils.whisperx_lock.files import Store, download, fits_target, repack
from module_utils.whisperx_lock.pylock import Wheel, read_pylock, read_sdist, tag_ranks, wheel_tags
from module_utils.whisperx_lock.sources import Sources
from module_utils.whisperx_problem import Problem

SHA = "0123456789abcdef" * 4
PLATFORM = "x86_64-manylinux_2_31"


def pylock(*files: str) -> str:
    at = "https://files.example.org/a"
    rows = ", ".join(
        f'{{ url = "{at}/{file}", size = 7, hashes = {{ sha256 = "{SHA}" }} }}' for file in files
    )
    return f'lock-version = "1.0"\n[[packages]]\nname = "torch"\nversion = "2.8.0+cpu"\nwheels = [{rows}]\n'


def chosen(*files: str, platform: str = PLATFORM, python: str = "3.9") -> str:
    return read_pylock(pylock(*files), platform, python)[0].file


def test_uvs_answer_is_read() -> None:
    found = read_pylock(pylock("torch-2.8.0%2Bcpu-cp39-cp39-manylinux_2_28_x86_64.whl"), PLATFORM, "3.9")
    file = "torch-2.8.0+cpu-cp39-cp39-manylinux_2_28_x86_64.whl"
    url = "https://files.example.org/a/torch-2.8.0%2Bcpu-cp39-cp39-manylinux_2_28_x86_64.whl"
    assert found == (Wheel("torch", "2.8.0+cpu", file, url, SHA, 7),)
    assert not found[0].local


def test_a_local_wheel_has_a_path_and_no_size() -> None:
    text = pylock("torch-2.8.0-py3-none-any.whl").replace(
        "https://files.example.org", "file:///srv/my%20wheels"
    )
    (found,) = read_pylock(text.replace("size = 7, ", ""), PLATFORM, "3.9")
    assert (found.local, found.size) == (True, None)
    assert found.path == "/srv/my wheels/a/torch-2.8.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("files", "best"),
    [
        (("a-1-py3-none-any.whl", "a-1-cp39-cp39-manylinux2014_x86_64.whl"), 1),
        (("a-1-cp39-abi3-manylinux2014_x86_64.whl", "a-1-cp39-cp39-manylinux1_x86_64.whl"), 1),
        (("a-1-cp37-abi3-manylinux2014_x86_64.whl", "a-1-cp38-abi3-manylinux2014_x86_64.whl"), 1),
        (("a-1-cp39-cp39-manylinux_2_17_x86_64.whl", "a-1-cp39-cp39-manylinux_2_24_x86_64.whl"), 1),
        (("a-1-1-py3-none-any.whl", "a-1-2-py3-none-any.whl"), 1),
        (("a-1-py2.py3-none-any.whl", "a-1-py2.py3-none-manylinux_2_28_x86_64.whl"), 1),
        (("a-1-cp39-cp39-linux_x86_64.whl", "a-1-cp39-cp39-manylinux_2_34_x86_64.whl"), 0),
    ],
)
def test_of_several_wheels_the_hosts_own_choice_is_taken(files: tuple[str, ...], best: int) -> None:
    assert chosen(*files) == files[best]
    assert chosen(*reversed(files)) == files[best]


@pytest.mark.parametrize(
    ("name", "tag", "fits"),
    [
        ("x86_64-manylinux_2_40", "manylinux_2_40_x86_64", True),
        ("x86_64-manylinux_2_40", "manylinux_2_41_x86_64", False),
        ("x86_64-manylinux2014", "manylinux_2_17_x86_64", True),
        ("x86_64-manylinux2014", "manylinux2010_x86_64", True),
        ("aarch64-unknown-linux-gnu", "manylinux_2_28_aarch64", True),
        ("aarch64-unknown-linux-gnu", "manylinux_2_28_x86_64", False),
        ("x86_64-unknown-linux-musl", "musllinux_1_2_x86_64", True),
        ("x86_64-unknown-linux-musl", "manylinux_2_17_x86_64", False),
    ],
)
def test_platforms_become_tags(name: str, tag: str, fits: bool) -> None:
    ranks = tag_ranks(name, "3.13")
    assert bool(wheel_tags(f"a-1-cp313-cp313-{tag}.whl") & set(ranks)) is fits
    assert wheel_tags("a-1-py3-none-any.whl") & set(ranks)


def test_an_unknown_platform_takes_what_uv_names_first() -> None:
    files = ("a-1-py3-none-any.whl", "a-1-cp39-cp39-linux_x86_64.whl")
    assert tag_ranks("riscv64-plan9", "3.13") == {}
    assert chosen(*files, platform="odd") == files[0]


@pytest.mark.parametrize("text", ["", "packages = 1", "[[packages]]\nname = 'a'\nwheels = [{}]", "x = ["])
def test_an_odd_answer_is_said(text: str) -> None:
    with pytest.raises(Problem) as caught:
        read_pylock(text, PLATFORM, "3.9")
    assert caught.value.rule == "lock.answer"


def test_a_package_without_wheels_is_said() -> None:
    with pytest.raises(Problem) as caught:
        read_pylock(pylock(), PLATFORM, "3.9")
    assert (caught.value.rule, "torch" in caught.value.found) == ("lock.no-wheel", True)


def test_a_source_distribution_is_read() -> None:
    row = f'{{ url = "https://x/a-1.tar.gz", hashes = {{ sha256 = "{SHA}" }} }}'
    text = f'[[packages]]\nname = "a"\nsdist = {row}\n'
    assert read_sdist(text) == ("https://x/a-1.tar.gz", "a-1.tar.gz", SHA)
    with pytest.raises(Problem):
        read_sdist(pylock())


def test_digests_are_remembered_until_a_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "wheel"
    file.write_bytes(b"one")
    store = Store(tmp_path / "cache")
    first = store.digest(file)
    assert first == hashlib.sha256(b"one").hexdigest()
    store.save()
    # What is remembered is not read again: another digest in the memory shows it.
    memory = tmp_path / "cache" / "digests.json"
    memory.write_text(memory.read_text().replace(first, SHA))
    assert Store(tmp_path / "cache").digest(file) == SHA
    # Same size, same time of change: only the change of state tells, and that cannot be set back.
    state = file.stat()
    time.sleep(0.02)  # as coarse as a kernel's clock can be
    with file.open("r+b") as stream:
        stream.write(b"two")
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert Store(tmp_path / "cache").digest(file) == hashlib.sha256(b"two").hexdigest()


@pytest.mark.parametrize("damage", [b"", b"wholE", b"whole and more"])
@pytest.mark.parametrize("noted", [True, False], ids=["made by this version", "made before"])
def test_a_made_file_that_changed_is_made_again(tmp_path: Path, damage: bytes, noted: bool) -> None:
    made = []

    def make(folder: Path) -> Path:
        made.append(folder)
        (folder / "bin").mkdir()
        (folder / "bin/uv").write_bytes(b"whole")
        return folder / "bin/uv"

    path = Store(tmp_path).uv("key", make)
    if not noted:
        path.with_name("uv.sha256").unlink()
        assert Store(tmp_path).uv("key", make) == path  # taken as it is, and noted from now on
    assert len(made) == 1
    state = path.stat()
    path.write_bytes(damage)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert Store(tmp_path).uv("key", make).read_bytes() == b"whole"
    assert len(made) == 2


@pytest.mark.parametrize("text", ["", "[]", '{"x": 1}', "not json"])
def test_a_broken_memory_is_no_memory(tmp_path: Path, text: str) -> None:
    (tmp_path / "digests.json").write_text(text)
    file = tmp_path / "wheel"
    file.write_bytes(b"one")
    assert Store(tmp_path).digest(file) == hashlib.sha256(b"one").hexdigest()


def test_a_wheel_is_made_once_and_whole(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def fail(folder: Path) -> Path:
        (folder / "half.whl").write_bytes(b"half")
        raise Problem("lock.build", "no", "", "", "")

    with pytest.raises(Problem):
        store.made({"a": 1}, fail)
    assert list((tmp_path / "made").iterdir()) == []

    def make(folder: Path) -> Path:
        (folder / "a-1-py3-none-any.whl").write_bytes(b"whole")
        return folder

    made = store.made({"a": 1}, make)
    assert made.read_bytes() == b"whole"
    assert store.made({"a": 1}, fail) == made
    assert store.find(made.name, hashlib.sha256(b"whole").hexdigest()) == made
    assert store.find(made.name, SHA) is None


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    store = Store(tmp_path / "cache")
    store.digest(tmp_path / "cache")
    store.save()
    with pytest.raises(Problem) as caught:
        store.made({}, lambda folder: folder)
    assert caught.value.rule == "lock.cache-dir"


def test_the_usual_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/me")
    assert default_cache_dir() == Path("/var/cache/me/whisperx-fleet")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/me")
    assert default_cache_dir() == Path("/home/me/.cache/whisperx-fleet")


def test_repacked_wheels_are_equal_however_they_were_packed(tmp_path: Path) -> None:
    names = ["a/__init__.py", "a-1.dist-info/RECORD", "a-1.dist-info/METADATA"]
    made = []
    for number, order in enumerate((names, names[::-1])):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name in order:
                entry = zipfile.ZipInfo(name, (2000 + number, 1, 1, 0, 0, 0))
                entry.external_attr = (0o100600 + number) << 16
                archive.writestr(entry, name * 50)
        repack(tmp_path / f"{number}.zip", tmp_path / f"{number}.whl")
        made.append((tmp_path / f"{number}.whl").read_bytes())
    assert made[0] == made[1]
    assert zipfile.ZipFile(tmp_path / "0.whl").namelist()[-1] == "a-1.dist-info/RECORD"


def test_a_download_is_checked(tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_bytes(b"content")
    url = (tmp_path / "a.whl").as_uri()
    download(url, hashlib.sha256(b"content").hexdigest(), tmp_path / "b.whl", Sources())
    assert (tmp_path / "b.whl").read_bytes() == b"content"
    with pytest.raises(Problem) as caught:
        download(url, SHA, tmp_path / "b.whl", Sources())
    assert (caught.value.rule, caught.value.wanted) == ("lock.wrong-hash", SHA)
    with pytest.raises(Problem) as caught:
        download(url + "x", SHA, tmp_path / "b.whl", Sources())
    assert caught.value.rule == "lock.download"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs a Python that is linked with glibc")
def test_uv_is_matched_with_the_target_by_its_header(tmp_path: Path) -> None:
    own = Path(sys.executable).resolve()
    machine = platform.machine()
    assert fits_target(own, machine, {"family": "glibc", "version": platform.libc_ver()[1]})
    assert not fits_target(own, machine, {"family": "glibc", "version": "2.0"})
    assert not fits_target(own, machine, {"family": "musl", "version": "1.2.5"})
    assert not fits_target(own, "sparc64", {"family": "glibc", "version": "2.41"})
    script = tmp_path / "uv"
    script.write_text("#!/bin/sh\n")
    assert not fits_target(script, machine, {"family": "glibc", "version": "2.41"})
