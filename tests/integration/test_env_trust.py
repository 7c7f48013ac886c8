"""What was edited, replaced or pre-written on the host never gets into a release; with the real uv."""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path

import pytest
from env_lab import UV, Lab

from module_utils.whisperx_common.files import sha256
from module_utils.whisperx_problem import Problem

CODE = "tiny/__init__.py"


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A place with nothing installed."""
    return Lab(tmp_path)


def installed(lab: Lab, name: str = CODE) -> Path:
    """Return a file of the release in use."""
    (found,) = (lab.root / "releases" / lab.current()).glob(f"lib/python*/site-packages/{name}")
    return found


def edit(path: Path, keep_size: bool = False) -> None:
    """Edit a file in place, as `sed -i` does not and an editor may."""
    text = path.read_text()
    with path.open("r+") as stream:
        stream.write(text.replace("version", "VERSION" if keep_size else "the_version"))


@pytest.mark.parametrize("keep_size", [True, False])
@pytest.mark.parametrize("twice", [False, True])
def test_an_edit_in_a_release_is_in_no_later_one(lab: Lab, keep_size: bool, twice: bool) -> None:
    """``twice``: the edited package is of a release before; it is not in the active one."""
    lab.present(lab.tiny("1.0"))
    code = installed(lab)
    if twice:
        lab.present(lab.tiny("2.0"))
    edit(code, keep_size)
    both = lab.wanted(lab.lock(lab.wheel("tiny", "1.0"), lab.wheel("other", "1.0")))
    predicted = lab.present(both, check=True)
    done = lab.present(both)
    assert done.actions == predicted.actions
    said = [action for action in done.actions if "not as it was unpacked" in action]
    assert len(said) == 1 and "tiny" in said[0] and CODE in said[0]
    assert "version = '1.0'" in installed(lab).read_text()
    assert lab.says() == "tiny 1.0"
    third = lab.wanted(lab.lock(lab.wheel("tiny", "1.0"), lab.wheel("third", "1.0")))
    assert not [action for action in lab.present(third).actions if "not as it was" in action]


def test_an_edit_that_keeps_size_and_date_is_found_on_request(lab: Lab) -> None:
    lab.present(lab.tiny("1.0"))
    code = installed(lab)
    facts = code.stat()
    edit(code, keep_size=True)
    os.utime(code, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    both = lab.wanted(lab.lock(lab.wheel("tiny", "1.0"), lab.wheel("other", "1.0")))
    done = lab.present(both, hashes=True)
    assert [action for action in done.actions if CODE in action]
    assert "version = '1.0'" in installed(lab).read_text() and lab.says() == "tiny 1.0"


def test_what_was_not_edited_is_linked(lab: Lab) -> None:
    lab.present(lab.tiny("1.0"))
    before = installed(lab)
    lab.present(lab.wanted(lab.lock(lab.wheel("tiny", "1.0"), lab.wheel("other", "1.0"))))
    assert installed(lab).stat().st_ino == before.stat().st_ino


def test_an_edited_wheel_of_the_wheelhouse_is_asked_for_again(lab: Lab) -> None:
    """Its wheel is no longer on the host: the unpacked one was all there was."""
    tiny, other = lab.wheel("tiny", "1.0"), lab.wheel("other", "1.0")
    carried = lab.options.carried
    files = tuple(item_of(wheel) for wheel in (tiny, other))
    lab.present(lab.wanted(lab.lock(tiny)), carried=(*carried, files[0]))
    assert not (lab.root / "files" / files[0].sha256).exists()
    edit(installed(lab), keep_size=True)
    absent = tuple(type(item)(item.sha256, item.file) for item in files)
    both = lab.wanted(lab.lock(tiny, other))
    asked = lab.present(both, carried=(*carried, *absent))
    assert sorted(item["file"] for item in asked.wanted_files) == sorted([tiny.name, other.name])
    lab.present(both, carried=(*carried, *files))
    assert lab.says() == "tiny 1.0"


def item_of(wheel: Path) -> object:
    from module_utils.whisperx_env.model import Carried

    return Carried(sha256(str(wheel)), wheel.name, str(wheel))


@pytest.mark.parametrize("contents", [b"", b"#!/bin/sh\ntouch ran\n", None])
def test_a_uv_that_was_replaced_is_not_run_and_is_brought_again(lab: Lab, contents: bytes | None) -> None:
    """None: cut off, as a power cut leaves it."""
    lab.present(lab.tiny("1.0"))
    uv = lab.root / "files" / sha256(UV) / "uv"
    if contents is None:
        os.truncate(uv, 1 << 20)
    else:
        uv.write_bytes(contents)
    without = tuple(type(item)(item.sha256, item.file) for item in lab.options.carried)
    asked = lab.present(lab.tiny("2.0"), carried=without)
    assert [item["file"] for item in asked.wanted_files] == ["uv"]
    assert lab.says() == "tiny 1.0"
    lab.present(lab.tiny("2.0"))
    assert lab.says() == "tiny 2.0" and sha256(str(uv)) == sha256(UV)
    assert not list(lab.base.rglob("ran"))


def test_a_wheel_in_files_that_was_replaced_is_asked_for_again(lab: Lab) -> None:
    wheel = lab.wheel("tiny", "1.0")
    wanted = lab.wanted(lab.lock(wheel, origin="built"))
    carried = (*lab.options.carried, item_of(wheel))
    lab.present(wanted, carried=carried)
    there = lab.root / "files" / sha256(str(wheel)) / wheel.name
    there.write_bytes(b"another")
    other = lab.wheel("other", "1.0")
    both = lab.wanted(lab.lock(wheel, other, origin="built"))
    absent = tuple(type(item)(item.sha256, item.file) for item in (*carried, item_of(other)))
    asked = lab.present(both, carried=absent)
    assert sorted(item["file"] for item in asked.wanted_files) == sorted([wheel.name, other.name])
    lab.present(both, carried=(*carried, item_of(other)))
    assert lab.says() == "tiny 1.0" and sha256(str(there)) == sha256(str(wheel))


OURS = [
    "data/release.json",
    "data/release.json/inside",
    "data/manifest.json",
    "data/launch/tiny",
    "data/launch/python",
    "data/requirements.txt",
    "data/pyvenv.cfg",
    "data/.lock",
    "data/bin/python",
    "data/bin/python3",
    "scripts/python",
    "scripts/python3.11",
]


def with_data(wheel: Path, path: str) -> Path:
    """Add a file to the data of a wheel."""
    stem = "-".join(wheel.name.split("-")[:2])
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr(f"{stem}.data/{path}", '{"id": "forged", "schema": 1}\n')
    return wheel


@pytest.mark.parametrize("path", OURS)
def test_a_wheel_that_writes_onto_our_names_is_refused(lab: Lab, path: str) -> None:
    lab.present(lab.tiny("1.0"))
    before = lab.releases()
    hostile = with_data(lab.wheel("hostile", "1.0"), path)
    events = lab.events
    events.clear()
    with pytest.raises(Problem) as raised:
        lab.present(lab.wanted(lab.lock(lab.wheel("tiny", "1.0"), hostile)))
    assert raised.value.rule == "env.wheel-files"
    assert "hostile" in raised.value.found
    assert "complete:start" not in events
    assert lab.says() == "tiny 1.0" and lab.releases() == before


def test_a_wheel_that_writes_elsewhere_into_the_environment_is_installed(lab: Lab) -> None:
    honest = with_data(lab.wheel("honest", "1.0"), "data/share/honest/release.json")
    lab.present(lab.wanted(lab.lock(lab.wheel("tiny", "1.0"), honest)))
    assert lab.says() == "tiny 1.0"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_nothing_is_open_to_others(lab: Lab, umask: int) -> None:
    old = os.umask(umask)
    try:
        lab.present(lab.tiny("1.0"))
        lab.present(lab.tiny("2.0"))
    finally:
        os.umask(old)
    tops = [lab.root, Path(lab.layout.bin_dir), Path(lab.layout.facts_dir)]
    paths = [path for top in tops for path in [top, *top.rglob("*")] if not path.is_symlink()]
    reachable = [path for path in paths if "cache" not in path.relative_to(lab.base).parts[1:-1]]
    open_to_all = [str(path) for path in reachable if path.stat().st_mode & 0o022]
    assert open_to_all == []
    assert stat.S_IMODE((lab.root / "cache").stat().st_mode) == 0o700
    locks = [path for path in reachable if path.name == ".lock"]
    assert len(locks) >= 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in locks} == {0o600}
