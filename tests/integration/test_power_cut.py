"""The power fails at any step of a run: what says that it is done is there whole, and the next run completes.

The short form cuts ext4 at the steps that matter; WHISPERX_FLEET_ATTACK=full cuts every file system that this
machine can make, at every step, also with the download cache on a file system of its own, and where another
program's sync has put names on disk before.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import power_lab
import pytest
from env_lab import UV, Lab
from power_lab import Cut, Device

from module_utils.whisperx_common.files import sha256
from tests.attack.strength import FULL

ROOT = Path(__file__).parents[2]
# File system, whether the download cache has one of its own, what is on disk at a cut.
PLACES = [("ext4", False, "mixed")]
if FULL:
    PLACES = [("ext4", False, "as it is"), ("ext4", True, "stirred"), ("xfs", False, "stirred")]
    PLACES += [("btrfs", False, "stirred"), ("btrfs", True, "as it is")]
# Where one step ends and the next begins, the disk is the same; the short form leaves such cuts out.
SHORT = frozenset(
    (
        "marker",
        "build:sync",
        "build:synced",
        "complete:start",
        "complete:done",
        "switch:previous",
        "switch:done",
        "discard:done",
        "erase:release",
        "end",
    )
)


@dataclass
class Place:
    """A root on a device, and with ``cache`` the download cache on another one."""

    lab: Lab
    devices: list[Device]
    cache: str
    how: str

    def at(self) -> Lab:
        """Return the lab again, as on a host that was just started."""
        lab = Lab(self.lab.base)
        lab.layout = replace(lab.layout, shared_cache=self.cache)
        return lab


def made(tmp_path: Path, kind: str, shared: bool, how: str) -> Place:
    """Make the devices; they are not mounted."""
    devices = [Device(kind, tmp_path / "root.img", tmp_path / "host")]
    if shared:
        devices.append(Device(kind, tmp_path / "cache.img", tmp_path / "cache"))
    for device in devices:
        device.make()
    cache = str(tmp_path / "cache" / "uv") if shared else ""
    with mounted(devices):
        lab = Lab(tmp_path / "host")
    return Place(lab, devices, cache, how)


class mounted:
    """All devices in their places, or copies of them."""

    def __init__(self, devices: list[Device], cut: Cut | None = None) -> None:
        images = cut.images if cut else [device.image for device in devices]
        self.contexts = [device.mounted(image) for device, image in zip(devices, images, strict=True)]

    def __enter__(self) -> None:
        for context in self.contexts:
            context.__enter__()

    def __exit__(self, *error: object) -> None:
        for context in reversed(self.contexts):
            context.__exit__(None, None, None)


def chosen(event: str, how: str) -> str:
    """Choose the copy at an event. Mixed: while uv works as any program's sync leaves it, then as it is."""
    if how != "mixed":
        return how
    if event not in SHORT:
        return ""
    return "stirred" if event.startswith("build:") else "as it is"


def cuts(place: Place, deed: str, version: str = "0") -> Iterator[Cut]:
    """Run, and yield what cuts at its steps left, mounted, one after the other."""
    path = os.pathsep.join([str(ROOT), str(Path(power_lab.__file__).parent)])
    command = [sys.executable, power_lab.__file__, str(place.lab.base), deed, version, place.cache]

    with mounted(place.devices):
        os.sync()  # what was there before the run is on disk
        found = power_lab.cut_at_every_event(
            place.devices,
            command,
            {**os.environ, "PYTHONPATH": path},
            lambda event: chosen(event, place.how),
        )
    for cut in found:
        with mounted(place.devices, cut):
            yield cut
        cut.remove()


def whole(lab: Lab) -> None:
    """Assert that everything that says it is done is: every file of every recorded release has its digest."""
    for record in lab.root.glob("releases/*/release.json"):
        value = json.loads(record.read_text())
        assert value["id"] == record.parent.name
        assert json.loads((record.parent / "manifest.json").read_text())["packages"]
        for listed in record.parent.glob("lib/python*/site-packages/*.dist-info/RECORD"):
            for name, digest, _size in csv.reader(listed.read_text().splitlines()):
                path = listed.parent.parent / name
                assert not digest or digest == f"sha256={coded(path)}", path
        assert (record.parent / "launch" / "tiny").stat().st_size
        assert (record.parent / "requirements.txt").read_text().count("sha256:")
    for link in (Path(lab.layout.current), Path(lab.layout.previous)):
        assert not link.is_symlink() or (link / "release.json").is_file(), "a link leads to no release"


def coded(path: Path) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).decode().rstrip("=")


def restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run is after another start of the host."""
    monkeypatch.setattr("module_utils.whisperx_release.building._boot", lambda: f"boot {time.time_ns()}")


@pytest.fixture(params=PLACES, ids=lambda place: "-".join((place[0], "shared" * place[1], place[2])))
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A root on each kind of file system."""
    kind, shared, how = request.param
    if not power_lab.available(kind):
        pytest.skip(f"this machine cannot make and mount {kind}")
    restarted(monkeypatch)
    return made(tmp_path, kind, shared, how)


def test_a_first_installation(place: Place) -> None:
    seen = 0
    for cut in cuts(place, "present", "1.0"):
        lab, seen = place.at(), seen + 1
        whole(lab)
        assert lab.says() in ("", "tiny 1.0")
        assert lab.says() or cut.event not in ("link:done", "end")
        lab.present(lab.tiny("1.0"))
        assert lab.says() == "tiny 1.0", cut
        whole(lab)
        assert sha256(str(lab.root / "files" / sha256(UV) / "uv")) == sha256(UV)
        assert lab.present(lab.tiny("1.0")).actions == []
    assert seen >= 6


def test_an_upgrade_that_prunes(place: Place) -> None:
    with mounted(place.devices):
        for version in ("1.0", "2.0"):
            place.at().present(place.at().tiny(version))
    seen = 0
    for cut in cuts(place, "present", "3.0"):
        lab, seen = place.at(), seen + 1
        whole(lab)
        assert lab.says() in ("tiny 2.0", "tiny 3.0")
        assert lab.says() == "tiny 3.0" or cut.event != "end"
        lab.present(lab.tiny("3.0"))
        assert lab.says() == "tiny 3.0", cut
        whole(lab)
        assert len(lab.releases()) == 2
    assert seen >= 6


def test_a_rollback(place: Place) -> None:
    with mounted(place.devices):
        for version in ("1.0", "2.0"):
            place.at().present(place.at().tiny(version))
    for cut in cuts(place, "rolled_back"):
        lab = place.at()
        whole(lab)
        assert lab.says() in ("tiny 1.0", "tiny 2.0")
        assert lab.says() == "tiny 1.0" or cut.event != "end"
        lab.rolled_back()
        assert lab.says() == "tiny 1.0", cut
        whole(lab)


def test_a_removal(place: Place) -> None:
    with mounted(place.devices):
        for version in ("1.0", "2.0"):
            place.at().present(place.at().tiny(version))
    for _cut in cuts(place, "absent"):
        lab = place.at()
        whole(lab)
        lab.absent()
        assert not lab.root.exists() and not os.path.lexists(lab.layout.bin_dir)
        lab.present(lab.tiny("1.0"))
        assert lab.says() == "tiny 1.0"


# What programs do that do not know of power cuts.
CARELESS = """
import os, sys
path = sys.argv[1] + '/record'
open(path + '.new', 'w').write('text')
os.rename(path + '.new', path)
print('written', flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize(("how", "left"), [("as it is", None), ("stirred", b"")])
def test_the_lab_sees_what_a_cut_takes(tmp_path: Path, how: str, left: bytes | None) -> None:
    """Without a sync the harness finds files that are cut off; else it would prove nothing."""
    if not power_lab.available("ext4"):
        pytest.skip("this machine cannot make and mount ext4")
    device = Device("ext4", tmp_path / "root.img", tmp_path / "host")
    device.make()
    command = [sys.executable, "-c", CARELESS, str(device.place)]
    with device.mounted():
        written, _end = power_lab.cut_at_every_event([device], command, dict(os.environ), lambda event: how)
    with device.mounted(written.images[0]):
        record = device.place / "record"
        assert (record.read_bytes() if record.exists() else None) == left
