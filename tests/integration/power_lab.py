"""Cut the power: a root on a file system of its own, whose device is copied in the middle of a run.

What a program wrote is in the kernel's memory until something puts it on disk. A copy of the file behind the
loop device is what a power cut leaves at that instant. It is mounted at the same path, for environments are
full of absolute paths, looked at, and run on.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

__all__ = ["Cut", "Device", "available", "cut_at_every_event", "small_host"]

# How large the devices are; XFS takes none below 300 MB. They are sparse.
_MIB = {"ext4": 320, "xfs": 512, "btrfs": 512}
# The commit interval is stretched: what is lost is what nobody synced, not what luck left.
_OPTIONS = {"ext4": "commit=300", "xfs": "defaults", "btrfs": "commit=300"}
_MAKE = {
    "ext4": ["mkfs.ext4", "-q", "-F", "-m", "0"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
    "btrfs": ["mkfs.btrfs", "-q", "-f"],
}


def available(kind: str) -> bool:
    """Return whether this machine can make and mount such a file system."""
    known = Path("/proc/filesystems").read_text().split()
    return os.geteuid() == 0 and kind in known and bool(shutil.which(_MAKE[kind][0])) and _has_loop()


def _has_loop() -> bool:
    return subprocess.run(["losetup", "--find"], capture_output=True, check=False).returncode == 0


@dataclass
class Device:
    """A file system in a file, mounted at ``place``."""

    kind: str
    image: Path
    place: Path
    loop: str = ""

    def make(self) -> None:
        """Make an empty file system."""
        with self.image.open("wb") as stream:
            stream.truncate(_MIB[self.kind] << 20)
        subprocess.run([*_MAKE[self.kind], str(self.image)], check=True, capture_output=True)

    @contextlib.contextmanager
    def mounted(self, image: Path | None = None) -> Iterator[None]:
        """Mount it, or a copy of it, in its place."""
        self.place.mkdir(exist_ok=True)
        command = ["losetup", "--find", "--show", str(image or self.image)]
        self.loop = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        try:
            options = ["-t", self.kind, "-o", _OPTIONS[self.kind]]
            subprocess.run(["mount", *options, self.loop, str(self.place)], check=True)
            try:
                yield
            finally:
                subprocess.run(["umount", str(self.place)], check=True)
        finally:
            subprocess.run(["losetup", "--detach", self.loop], check=True)

    def stir(self) -> None:
        """Sync a file that nobody asked for, as other programs on a host do at any time.

        The names of all files that were made get on disk with it, their contents do not.
        """
        descriptor = os.open(self.place / "of-another-program", os.O_WRONLY | os.O_CREAT)
        os.write(descriptor, b"text")
        os.fsync(descriptor)
        os.close(descriptor)

    def copy(self, target: Path) -> None:
        """Copy what is on the device now; again where the kernel wrote to it meanwhile."""
        for _ in range(20):
            before = self.writes()
            subprocess.run(["cp", "--sparse=always", "--reflink=auto", self.image, target], check=True)
            if self.writes() == before:
                return
        raise AssertionError("the device is never still")

    def writes(self) -> tuple[str, ...]:
        """Return the kernel's counters of what was written to the device."""
        statistics = Path("/sys/class/block") / Path(self.loop).name / "stat"
        return tuple(statistics.read_text().split()[4:7])


@dataclass
class Cut:
    """What a power cut at one event left, on each device."""

    number: int
    event: str
    stirred: bool
    images: list[Path] = field(default_factory=list)
    writes: list[tuple[str, ...]] = field(default_factory=list)

    def remove(self) -> None:
        """Give the space back."""
        for image in self.images:
            image.unlink(missing_ok=True)


def cut_at_every_event(
    devices: list[Device],
    command: list[str],
    environment: dict[str, str],
    chosen: Callable[[str], str] = lambda event: "as it is",
) -> list[Cut]:
    """Run a program that prints each of its events and waits for a line; copy the devices at every one.

    The run itself goes on to its end. ``chosen`` says of an event "as it is", or "stirred" for a copy after
    `Device.stir`, or "" for none. Where nothing was written since the copy before, that one stands for both.
    The last cut is after the program ended: what it reported done has to be there.
    """
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None and process.stdout is not None
    cuts: list[Cut] = []
    for line in process.stdout:
        how = chosen(line.strip())
        same = bool(cuts) and cuts[-1].writes == [device.writes() for device in devices]
        if how == "stirred" or (how and not same):
            cuts.append(_copied(devices, len(cuts) + 1, line.strip(), how == "stirred"))
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write("\n")
            process.stdin.flush()
    assert process.wait() == 0, f"the run ended with {process.returncode}"
    return [*cuts, _copied(devices, len(cuts) + 1, "end", False)]


def _copied(devices: list[Device], number: int, event: str, stirred: bool) -> Cut:
    cut = Cut(number, event, stirred)
    for device in devices:
        if stirred:
            device.stir()
        target = device.image.with_name(f"{device.image.name}.{number}")
        device.copy(target)
        cut.images.append(target)
        cut.writes.append(device.writes())
    return cut


def wait(event: str) -> None:
    """Say what was done, and go on when a line comes."""
    print(event, flush=True)
    sys.stdin.readline()


def small_host(runtime: str, base: Path) -> Any:
    """Return a host of the engine's own tests, with its root on the device at ``base``/disk, that syncs."""
    from module_utils.whisperx_common.durable import sync_tree
    from module_utils.whisperx_release.model import Layout
    from tests.unit.whisperx_release.release_hosts import HOSTS

    kind: Any = HOSTS[runtime]

    class Syncing(kind):  # type: ignore[misc]
        @property
        def hooks(self) -> Any:
            return replace(super().hooks, settle=sync_tree)

    host = Syncing(base)
    disk = base / "disk"
    host.layout = Layout(str(disk / "root"), str(disk / "bin"), str(disk / "facts"))
    return host


def main() -> None:
    """Run one deed, waiting at each event: BASE DEED VERSION SHARED-CACHE, or BASE DEED RUNTIME."""
    base, deed, word, *rest = sys.argv[1:]
    if not rest:
        host = small_host(word, Path(base))
        host.emit = wait
        host.do(deed)
        return
    import env_lab

    from module_utils.whisperx_release.hooks import Hooks

    lab = env_lab.Lab(Path(base))
    lab.layout = replace(lab.layout, shared_cache=rest[0])
    lab.hooks = lambda: Hooks(env_lab.prove, emit=wait)  # type: ignore[method-assign]
    if deed == "present":
        lab.present(lab.tiny(word))
    elif deed == "rolled_back":
        lab.rolled_back()
    else:
        lab.absent()


if __name__ == "__main__":
    main()
