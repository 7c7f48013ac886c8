"""Releases on a managed Python: a real relocatable CPython, the real uv, real trees."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from env_lab import Lab

from module_utils.whisperx_common.files import sha256
from module_utils.whisperx_common.standalone import Archive, of
from module_utils.whisperx_env import apply
from module_utils.whisperx_env.model import Carried, Wanted
from module_utils.whisperx_problem import Problem
from tools.lab import standalone_python


@pytest.fixture(scope="session")
def mirror() -> Path:
    """Return the lab's mirror of Pythons, whose archives are packed once for all runs."""
    base = os.environ.get("LAB_SHARE") or str(Path.home() / ".cache" / "whisperx-fleet")
    place = Path(base) / "pythons"
    return place


class Managed(Lab):
    """A lab whose environments stand on a managed Python."""

    archive: Archive
    path: Path

    def carry(self, mirror: Path) -> None:
        """Take the small archive."""
        build = "20260102"
        row = standalone_python.pack(standalone_python.interpreters()[0], mirror, build, small=True)
        libc: Any = row["libc"]
        self.archive = of({**row, "libc": f"{libc['family']} {libc['version']}"})
        self.path = mirror / build / self.archive.file
        self.send(self.path)

    def send(self, path: Path) -> None:
        """Let the archive travel with the run."""
        uv = [item for item in self.options.carried if item.file == "uv"]
        archive = Carried(self.archive.sha256, self.archive.file, str(path))
        self.options = replace(self.options, carried=(*uv, archive))

    def managed(self, version: str, **header: str) -> Wanted:
        """Return an environment of one package on the managed Python."""
        values = {"python": self.archive.minor, "python-archive": self.archive.line()} | header
        lock = self.lock(self.wheel("tiny", version), **values)
        return self.wanted(lock, python=self.archive.minor, python_path="", python_source="managed")

    @property
    def trees(self) -> list[str]:
        """The names in pythons/."""
        top = self.root / "pythons"
        return sorted(path.name for path in top.iterdir()) if top.is_dir() else []


@pytest.fixture
def lab(tmp_path: Path, mirror: Path) -> Managed:
    found = Managed(tmp_path)
    found.carry(mirror)
    return found


def test_it_is_unpacked_once_and_shared_pruned_and_removed(lab: Managed) -> None:
    first = lab.managed("1.0")
    predicted = lab.present(first, check=True)
    assert not lab.root.exists()
    done = lab.present(first)
    assert done.actions == predicted.actions
    assert done.actions[0] == f"Installed managed Python {lab.archive.version} (build {lab.archive.build})"
    assert done.after == {"python": lab.archive.version, "tiny": "1.0"}
    assert lab.says() == "tiny 1.0" and lab.present(first).actions == []

    tree = lab.root / "pythons" / lab.archive.sha256
    assert [path.name for path in tree.iterdir()] == [lab.archive.key]  # no link that would move it, no lock
    python = tree / lab.archive.key / "bin" / f"python{lab.archive.minor}"
    release = lab.root / "releases" / lab.current()
    assert (release / "bin" / "python").readlink() == python
    record = json.loads((release / "release.json").read_text())
    assert (record["python_path"], record["python_archive"]) == (str(python), lab.archive.record())
    assert not (lab.root / "files" / lab.archive.sha256).exists()  # it is unpacked: the archive is not kept

    second = lab.present(lab.managed("2.0"))
    assert not [line for line in second.actions if "managed Python" in line and "Built" not in line]
    assert lab.rolled_back().actions and lab.says() == "tiny 1.0"
    lab.present(lab.tiny("3.0"))
    assert lab.trees == [
        lab.archive.sha256,
        f"{lab.archive.sha256}.json",
    ]  # of the previous one
    last = lab.present(lab.tiny("4.0"))
    assert f"Removed managed Python {lab.archive.version}" in last.actions and lab.trees == []
    lab.absent()
    assert not lab.root.exists()


def test_root_alone_writes_it_and_every_user_runs_it(lab: Managed) -> None:
    old = os.umask(0o077)
    try:
        lab.present(lab.managed("1.0"))
    finally:
        os.umask(old)
    for path in [lab.root / "pythons", *(lab.root / "pythons").rglob("*")]:
        facts = path.lstat()
        if not stat.S_ISLNK(facts.st_mode):
            assert not facts.st_mode & 0o022 and facts.st_mode & 0o004, path
    # Compiled: a user who cannot write there does not compile the library at every start.
    compiled = list((lab.root / "pythons").glob("*/*/lib/python3.*/__pycache__/ssl.*.pyc"))
    assert compiled


@pytest.mark.parametrize("event", ["python:unpacked", "python:noted"])
def test_killed_while_it_is_unpacked_the_next_run_makes_it_whole(lab: Managed, event: str) -> None:
    wanted = lab.managed("1.0")
    child = os.fork()
    if not child:
        hooks = replace(lab.hooks(), emit=lambda said: os.kill(os.getpid(), 9) if said == event else None)
        apply.present(lab.layout, wanted, lab.options, hooks, False)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 9 and lab.current() == ""
    unpacked = event == "python:noted"
    done = lab.present(wanted)
    assert [line for line in done.actions if line.startswith("Installed")] == done.actions[: not unpacked]
    assert lab.says() == "tiny 1.0"
    assert lab.trees == [lab.archive.sha256, f"{lab.archive.sha256}.json"]


def test_a_tree_that_was_edited_gets_no_release_and_a_damaged_one_is_replaced(lab: Managed) -> None:
    lab.present(lab.managed("1.0"))
    library = (
        lab.root / "pythons" / lab.archive.sha256 / lab.archive.key / "lib" / f"python{lab.archive.minor}"
    )
    (library / "tiny.py").write_text("print('planted')")  # found before what the release has
    done = lab.present(lab.managed("2.0"))
    assert done.actions[0].startswith("Installed managed Python")
    again = lab.root / "releases" / lab.current() / "bin" / "python"
    assert again.readlink().parts[-4] == f"{lab.archive.sha256}.2" and lab.says() == "tiny 2.0"
    assert (library / "tiny.py").exists()  # the previous release runs on it still

    library = again.readlink().parents[1] / library.relative_to(library.parents[1])
    (library / "ssl.py").unlink()
    active = lab.current()
    told = lab.present(lab.managed("2.0"), check=True)
    assert (
        f"its managed Python: {lab.archive.key}/lib/python{lab.archive.minor}/ssl.py is gone" in told.notes[0]
    )
    done = lab.present(lab.managed("2.0"))
    assert f"Removed release {active}" in done.actions and lab.says() == "tiny 2.0"
    assert f"{lab.archive.sha256}.2" not in lab.trees
    with pytest.raises(Problem) as raised:
        (lab.root / "pythons" / f"{lab.archive.sha256}.json").unlink()
        lab.rolled_back()
    assert raised.value.rule == "env.previous-damaged" and "managed Python" in raised.value.found


def test_an_archive_that_changed_is_refused_and_nothing_is_left(lab: Managed, tmp_path: Path) -> None:
    other = tmp_path / lab.archive.file
    other.write_bytes(lab.path.read_bytes() + b"more")
    lab.send(other)
    with pytest.raises(Problem) as raised:
        lab.present(lab.managed("1.0"))
    assert raised.value.rule == "env.transfer" and lab.trees == []
    lab.send(lab.path)
    wanted = lab.managed("1.0")
    hooks = replace(lab.hooks(), emit=lambda said: _spoil(lab) if said == "carried" else None)
    with pytest.raises(Problem) as raised:
        apply.present(lab.layout, wanted, lab.options, hooks, False)
    assert raised.value.rule == "env.python-archive" and lab.archive.sha256 in raised.value.wanted
    assert lab.trees == [] and lab.releases() == []
    lab.present(wanted)
    assert lab.says() == "tiny 1.0"


def _spoil(lab: Managed) -> None:
    """Change the archive between its arrival and its use."""
    path = lab.root / "files" / lab.archive.sha256 / lab.archive.file
    path.write_bytes(path.read_bytes() + b"more")


def test_an_archive_of_another_version_or_for_another_libc_is_refused(lab: Managed, tmp_path: Path) -> None:
    row = lab.archive
    other = ".".join([row.minor, "99"])
    lab.archive = replace(row, version=other, file=row.file.replace(row.version, other))
    lab.send(shutil.copy(lab.path, tmp_path / lab.archive.file))
    with pytest.raises(Problem) as raised:
        lab.present(lab.managed("1.0"))
    assert raised.value.rule == "env.managed-python" and f"it is Python {row.version}" in raised.value.found

    # A program that asks for a C library which this host has not.
    with tarfile.open(lab.path) as archive:
        archive.extractall(tmp_path / "tree", filter="tar")
    program = tmp_path / "tree" / "python" / "bin" / f"python{row.minor}"
    program.unlink()
    program.write_text('#!/bin/sh\necho "version \\`GLIBC_9.99\' not found" >&2\nexit 1\n')
    program.chmod(0o755)
    lab.path = tmp_path / row.file
    with tarfile.open(lab.path, "w:gz", compresslevel=1) as archive:
        archive.add(tmp_path / "tree" / "python", "python")
    lab.archive = replace(row, sha256=sha256(str(lab.path)))
    lab.send(lab.path)
    with pytest.raises(Problem) as raised:
        lab.present(lab.managed("1.0"))
    assert raised.value.rule in ("env.managed-python",) and raised.value.wanted.endswith(
        f"runs on {row.libc}"
    )
    assert lab.trees == [] and lab.releases() == []
