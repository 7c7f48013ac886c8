"""A host that is quickly made again, to be spoiled in one way after the other."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from module_utils.whisperx_audit.model import Asked
from module_utils.whisperx_audit.report import report
from module_utils.whisperx_guard.managed import managed
from module_utils.whisperx_problem import Problem
from module_utils.whisperx_release import state, summary
from module_utils.whisperx_release.model import Outcome
from tests.unit.whisperx_release.release_hosts import Host

__all__ = ["KINDS", "Template", "attempt", "look", "unharmed"]

TOPS = ("root", "bin", "facts")
THEIRS = {"file", "directory", "directory/file", "directory/deep", "directory/deep/file"}


class Template:
    """A host that went from 1.0 to 2.0, kept beside itself."""

    def __init__(self, host: Host) -> None:
        self.host = host
        host.present("1.0")
        host.present("2.0")
        for top in TOPS:
            shutil.copytree(host.base / top, host.base / "kept" / top, symlinks=True)

    def restore(self) -> Host:
        """Make the host again what it was."""
        for top in (*TOPS, "theirs"):
            path = self.host.base / top
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif os.path.lexists(path):
                path.unlink()
            if top in TOPS:
                shutil.copytree(self.host.base / "kept" / top, path, symlinks=True)
        return self.host


def attempt(host: Host, deed: str, check: bool = False) -> Outcome | None:
    """Do something; None when it was refused. Anything but a Problem is an error of the program."""
    try:
        outcome = host.do(deed, check)
        record = state.record_at(host.layout.current)
        assert all(isinstance(line, str) for line in summary.lines(host.layout, record, outcome, 1.0, check))
        assert summary.diff(outcome)
        return outcome
    except Problem as problem:
        assert problem.sentence() and problem.rule
        return None


def look(host: Host) -> None:
    """Let the programs that only read a root read it."""
    try:
        managed([host.layout.root])
        report(Asked(host.layout.root, False, "", "", {}))
    except Problem as problem:
        assert problem.sentence()


def theirs(path: Path) -> Path:
    """Return what somebody else has on this host: beside the directory that every test has of its own.

    Never a directory of the machine's: what is tested here is whether links are followed.
    """
    top = next(parent for parent in path.parents if (parent / "kept").is_dir()) / "theirs"
    if not top.exists():
        (top / "directory" / "deep").mkdir(parents=True)
        for name in ("file", "directory/file", "directory/deep/file"):
            (top / name).write_text("theirs", encoding="utf-8")
    return top


def unharmed(host: Host, place: str) -> None:
    """Assert that what somebody else has is as it was. Downloads may be kept elsewhere: those are added."""
    top = host.base / "theirs"
    if top.exists():
        names = {str(path.relative_to(top)) for path in top.rglob("*")}
        assert names == THEIRS if place != "root/cache" else names >= THEIRS
        files = [path for path in top.rglob("*") if path.name == "file"]
        assert {path.read_text() for path in files if path.is_file()} == {"theirs"}


def _directory(path: Path) -> None:
    (path / "deep").mkdir(parents=True)
    (path / "deep" / "file").write_text("somebody's", encoding="utf-8")


def _socket(path: Path) -> None:
    # The name of a socket is short: bound from where it lies.
    here = os.getcwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


def _text(path: Path, value: Any = "") -> None:
    path.write_text(value, encoding="utf-8")


KINDS: dict[str, Callable[[Path], None]] = {
    "directory": _directory,
    "empty directory": lambda path: path.mkdir(),
    "empty file": _text,
    "file": lambda path: _text(path, "text\n"),
    "binary": lambda path: path.write_bytes(b"\xff\xfe\0" * 100) and None,
    "fifo": lambda path: os.mkfifo(path),
    "socket": _socket,
    "dead link": lambda path: path.symlink_to("nowhere/at/all"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "link to a directory": lambda path: path.symlink_to(theirs(path) / "directory"),
    "link to a file": lambda path: path.symlink_to(theirs(path) / "file"),
}
