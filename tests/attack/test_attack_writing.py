"""Bundles and images, killed while they are written: what is there is whole or is known not to be."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from images import job
from strength import FULL
from test_wheelhouse_bundle_parts import locks, put

from module_utils.whisperx_image import shelf
from module_utils.whisperx_image.archive import Archive
from module_utils.whisperx_image.layer import Entry
from module_utils.whisperx_problem import Problem
from module_utils.whisperx_wheelhouse import bundle, listing
from module_utils.whisperx_wheelhouse.house import House

# What Python itself reports before it changes something on a disk.
CHANGES = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.link", "os.symlink")


def killed_at(number: int, deed: Callable[[], object]) -> bool:
    """Do something in a child that kills itself before its change of that number; tell whether it did."""
    child = os.fork()
    if child == 0:
        left = number

        def count(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal left
            if event in CHANGES and not (event == "open" and not _writes(arguments)):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        code = 1
        try:
            deed()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def _writes(arguments: tuple[Any, ...]) -> bool:
    _, mode, flags = arguments
    return bool(set(mode or "") & set("wax+")) or bool((flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def every_kill(attempt: Callable[[int], bool]) -> int:
    """Try each number until nothing is left to kill, in the short form each third; return how many."""
    number = tried = 1
    while attempt(number):
        number += 1 if FULL else 3
        tried += 1
    return tried


def test_a_bundle(tmp_path: Path) -> None:
    house = House(tmp_path / "house")
    asked = locks(tmp_path, put(house, "tiny"), put(house, "other"))
    more = locks(tmp_path, put(house, "tiny"), put(house, "third"))

    def make(out: Path, what: dict[str, Any]) -> bundle.Made:
        return bundle.make(out, what, house, tmp_path / "no-catalogue")

    whole = make(tmp_path / "whole", asked)

    def attempt(number: int) -> bool:
        out = tmp_path / f"bundle-{number}"
        killed = killed_at(number, lambda: make(out, asked))
        _whole_or_refused(out)
        assert make(out, asked).digest == whole.digest
        listing.check(out, whole.digest)
        # The same on top of a bundle of another site.
        killed_again = killed_at(number, lambda: make(out, more))
        _whole_or_refused(out)
        listing.check(out, make(out, more).digest)
        return killed or killed_again

    assert every_kill(attempt) > 5


def _whole_or_refused(out: Path) -> None:
    """Assert that a bundle that passes its own check has every wheel of its locks, and nothing else."""
    try:
        record = listing.check(out)
    except Problem as problem:
        assert problem.rule.startswith("bundle."), problem.rule
        return
    for name in record["classes"]:
        for line in (out / "locks" / f"{name}.txt").read_text().splitlines():
            if "--hash=sha256:" in line:
                digest, file = line.partition("--hash=sha256:")[2].split()[0], line.split(" # ")[1].split()[0]
                data = (out / "wheels" / digest / file).read_bytes()
                assert hashlib.sha256(data).hexdigest() == digest


def test_an_image(tmp_path: Path) -> None:
    source = tmp_path / "library.so"
    source.write_bytes(os.urandom(3 << 20))
    first = job(tmp_path / "images", "0.9")
    os.makedirs(os.path.dirname(first.archive))

    def make(of: Any) -> dict[str, Any]:
        archive = Archive(of.archive)
        archive.add_layer([Entry("opt", "dir")], "base")
        entry = Entry("opt/library.so", "file", size=source.stat().st_size, source=str(source))
        archive.add_layer([entry], "library")
        image_id = archive.finish({"release": of.wanted.name}, [of.image])
        layers = [layer.record() for layer in archive.layers]
        result = {"release": of.wanted.name, "image": of.image, "image_id": image_id, "archive": of.archive}
        result |= {"bytes": os.stat(of.archive).st_size, "layers": layers, "labels": shelf.labels(of, "b")}
        return shelf.keep(of, result)

    make(first)

    def attempt(number: int) -> bool:
        of = job(tmp_path / "images", f"1.{number}")
        killed = killed_at(number, lambda: make(of))
        found = shelf.built(of, "b")
        if found is not None:
            _read_through(found["archive"])
            if found["upgrade"]:
                _read_through(found["upgrade"]["archive"])
        assert killed or found is not None
        made = make(of)
        assert shelf.built(of, "b") == made
        shelf.prune(of)
        _read_through(of.archive)
        left = {name for name in os.listdir(os.path.dirname(of.archive)) if "1." in name}
        own = os.path.basename(of.archive)
        assert {name for name in left if own in name} == {own, own + ".json", own + ".upgrade"}
        return killed

    assert every_kill(attempt) > 2


def _read_through(path: str) -> None:
    """Assert that every blob of an archive is what its name says."""
    with tarfile.open(path) as archive:
        for member in archive:
            data = archive.extractfile(member)
            assert data is not None
            if "/sha256/" in member.name:
                assert hashlib.sha256(data.read()).hexdigest() == member.name.rpartition("/")[2]
