"""Files that travelled are trusted by their digest at the time of use, never by their name."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from env_hosts import OPTIONS, Host, wanted

from module_utils.whisperx_env import supplies
from module_utils.whisperx_env.model import Carried
from module_utils.whisperx_problem import Problem

RIGHT = b"#!/bin/sh\necho right\n"
DIGEST = hashlib.sha256(RIGHT).hexdigest()
# What somebody, or a power cut, made of a file.
WRONG = [b"", RIGHT[:5], RIGHT + b" ", RIGHT.replace(b"right", b"wrong"), b"\0" * len(RIGHT)]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host with an empty root."""
    found = Host(tmp_path)
    found.root.mkdir()
    return found


def place(host: Host, name: str = "uv") -> Path:
    path = Path(host.layout.path("files", DIGEST, name))
    path.parent.mkdir(parents=True)
    return path


def listed(host: Host, **options: object) -> list[str]:
    """Return what a build asks for, when uv is to have the digest."""
    given = replace(OPTIONS, carried=(Carried(DIGEST, "uv"),), **options)
    return [item["file"] for item in supplies.missing(host.layout, wanted(), given)]


def test_uv_is_asked_for_until_it_is_there_whole(host: Host) -> None:
    assert listed(host) == ["uv"]
    path = place(host)
    path.with_name("uv.new").write_bytes(RIGHT)
    assert listed(host) == ["uv"]
    path.write_bytes(RIGHT)
    assert listed(host) == []
    none = supplies.missing(host.layout, wanted(), OPTIONS)
    assert none == [{"file": "uv", "sha256": ""}]
    brought = replace(OPTIONS, carried=(Carried("1" * 64, "uv", "/tmp/uv"),))
    assert supplies.missing(host.layout, wanted(), brought) == []


@pytest.mark.parametrize("contents", WRONG)
def test_other_contents_are_never_run_and_are_asked_for_again(host: Host, contents: bytes) -> None:
    path = place(host)
    path.write_bytes(contents)
    path.chmod(0o755)
    assert listed(host) == ["uv"]
    with supplies.uv(host.layout, [DIGEST]) as program:
        assert program is None
    assert not path.parent.exists()


@pytest.mark.parametrize("kind", ["symlink", "directory of links", "fifo", "directory"])
def test_what_is_no_file_in_its_place_is_not_used(host: Host, tmp_path: Path, kind: str) -> None:
    """Even a link to a file of the right contents: who owns the link can lead it elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "uv").write_bytes(RIGHT)
    path = place(host)
    if kind == "symlink":
        path.symlink_to(elsewhere / "uv")
    elif kind == "directory of links":
        path.parent.rmdir()
        path.parent.symlink_to(elsewhere)
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    assert listed(host) == ["uv"]
    with supplies.uv(host.layout, [DIGEST]) as program:
        assert program is None
    assert (elsewhere / "uv").read_bytes() == RIGHT
    source = tmp_path / "source"
    source.write_bytes(RIGHT)
    supplies.carry(host.layout, Carried(DIGEST, "uv", str(source)))
    assert path.read_bytes() == RIGHT and not path.is_symlink() and not path.parent.is_symlink()


def test_what_was_compared_is_what_runs(host: Host) -> None:
    """Somebody puts another program there between the look and the start."""
    path = place(host)
    path.write_bytes(Path("/bin/echo").read_bytes())
    path.chmod(0o755)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.parent.rename(path.parent.with_name(digest))
    path = path.parent.with_name(digest) / "uv"
    with supplies.uv(host.layout, ["0" * 64, digest]) as program:
        assert program is not None
        path.unlink()
        path.write_bytes(RIGHT)
        path.chmod(0o755)
        done = subprocess.run(
            [program.path, "checked"], pass_fds=[program.descriptor], capture_output=True, check=True
        )
    assert done.stdout == b"checked\n"


@pytest.mark.parametrize("before", [None, *WRONG, RIGHT])
def test_a_transferred_file_replaces_what_is_wrong(host: Host, tmp_path: Path, before: bytes | None) -> None:
    source = tmp_path / "source"
    source.write_bytes(RIGHT)
    if before is not None:
        place(host).write_bytes(before)
        place_new = Path(host.layout.path("files", DIGEST, "uv.new"))
        place_new.write_bytes(b"half")
    supplies.carry(host.layout, Carried(DIGEST, "uv", str(source)))
    path = Path(host.layout.path("files", DIGEST, "uv"))
    assert path.read_bytes() == RIGHT
    assert before == RIGHT or (
        os.listdir(path.parent) == ["uv"] and stat.S_IMODE(path.stat().st_mode) == 0o755
    )


@pytest.mark.parametrize("contents", WRONG)
def test_a_transferred_file_that_is_another_is_refused(host: Host, tmp_path: Path, contents: bytes) -> None:
    source = tmp_path / "source"
    source.write_bytes(contents)
    with pytest.raises(Problem) as raised:
        supplies.carry(host.layout, Carried(DIGEST, "uv", str(source)))
    assert raised.value.rule == "env.transfer"
    assert os.listdir(host.layout.path("files")) == []
