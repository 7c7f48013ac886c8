"""A real file system without a block or an inode left: switching back and removing need none."""

from __future__ import annotations

import errno
import itertools
import os
from pathlib import Path
from typing import Any

import power_lab
import pytest
from power_lab import Device

KINDS = ("ext4", "xfs", "btrfs") if os.environ.get("WHISPERX_FLEET_ATTACK") else ("ext4",)
FULL = (errno.ENOSPC, errno.EDQUOT)


def fill(place: Path, what: str) -> None:
    """Take every block, or every inode, of a file system."""
    place.mkdir()
    sizes = [1 << 20, 1 << 12, 512, 1] if what == "blocks" else [0]
    for size in sizes:
        for number in itertools.count():
            try:
                path = place / f"{size}-{number}"
                path.write_bytes(os.urandom(size))
            except OSError as error:
                assert error.errno in FULL
                break
            if what == "inodes" and number > 200_000:
                pytest.skip("this file system makes inodes as they are needed")
    os.sync()


def empty(place: Path) -> None:
    for path in place.iterdir():
        path.unlink()
    place.rmdir()
    os.sync()


@pytest.mark.parametrize("what", ["blocks", "inodes"])
@pytest.mark.parametrize("runtime", ["venv", "container"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, runtime: str, what: str
) -> None:
    if not power_lab.available(kind):
        pytest.skip(f"this machine cannot make and mount {kind}")
    if what == "inodes" and kind != "ext4":
        pytest.skip("its inodes are made of blocks")
    # The look at the room beforehand would refuse so small a disk.
    monkeypatch.setattr("module_utils.whisperx_env.room.check_free", lambda *_, **__: None)
    monkeypatch.setitem(power_lab._MIB, "ext4", 16)
    monkeypatch.setitem(power_lab._MIB, "btrfs", 128)
    device = Device(kind, tmp_path / "device.img", tmp_path / "disk")
    device.make()
    host: Any = power_lab.small_host(runtime, tmp_path)
    filler = device.place / "filler"
    with device.mounted():
        for version in ("1.0", "2.0"):
            host.present(version)
        fill(filler, what)
        with pytest.raises(OSError) as raised:
            (device.place / "one-more").write_bytes(b"text")
        assert raised.value.errno in FULL
        outcome = host.rolled_back()
        assert (host.current(), host.says()) == ("1.0", "1.0"), outcome.notes
        empty(filler)
        host.present("1.0")
        host.whole("1.0")
        fill(filler, what)
        host.absent()
        host.gone()
