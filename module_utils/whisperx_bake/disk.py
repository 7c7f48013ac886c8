"""Writes a raw disk that firmware starts, BIOS or UEFI, filled from a directory.

Nothing is mounted and no loop device is taken: every tool works on a part of the file, so a run that is
killed leaves one file with the ending .part and nothing else.
"""

from __future__ import annotations

import os
import re
import tempfile
import uuid
from dataclasses import dataclass
from typing import List, Tuple

from ..whisperx_common.durable import replace
from ..whisperx_problem import Problem
from . import loader, tools

__all__ = ["Disk", "Kernel", "Part", "check", "find_kernel", "parts", "write"]

SECTOR = 512
_MIB = 1024 * 1024
_FIRST = 34  # the first sector behind a GPT of 128 entries
_LEAST = _MIB // SECTOR
_ESP_SECTORS = 64 * _MIB // SECTOR
# What ext4 takes for its own tables, as a share of what it holds.
_OVERHEAD = 0.1
# Names that distributions keep for the newest kernel, below the root: Debian, Ubuntu.
_LINKS = (("vmlinuz", "initrd.img"), ("boot/vmlinuz", "boot/initrd.img"))
_INITRDS = ("initrd.img-{}", "initramfs-{}.img", "initrd-{}")


@dataclass(frozen=True)
class Part:
    """One partition: its number and name, its type as a GUID, its first sector and how many it has."""

    number: int
    name: str
    kind: str
    start: int
    sectors: int

    @property
    def offset(self) -> int:
        """Bytes before it."""
        return self.start * SECTOR


@dataclass(frozen=True)
class Kernel:
    """Paths of a kernel and its initrd from the root's top, with the leading slash; links where there are."""

    image: str
    initrd: str


@dataclass(frozen=True)
class Disk:
    """``path``: the file; ``tree``: the root's directory; ``machine``: as in the facts.

    ``used``: bytes that the root takes; ``free``: MiB that the disk has beside; ``words``: the kernel's.
    """

    path: str
    tree: str
    machine: str
    used: int
    free: int
    words: str


def parts(used: int, free: int) -> Tuple[Part, ...]:
    """Return the partitions of a disk. The root's is the last, so that it can grow.

    Numbers are those of Debian's cloud images. Kinds: UEFI's ESP, GRUB's BIOS boot partition, and the x86-64
    root of the Discoverable Partitions Specification.
    """
    size = int(used * (1 + _OVERHEAD)) + (free + 64) * _MIB
    start = _LEAST + _ESP_SECTORS
    return (
        Part(14, "bios", "21686148-6449-6E6F-744E-656564454649", _FIRST, _LEAST - _FIRST),
        Part(15, "esp", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", _LEAST, _ESP_SECTORS),
        Part(1, "root", "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709", start, -(-size // _MIB) * _LEAST),
    )


def find_kernel(tree: str) -> Kernel:
    """Return the root's kernel. Raises Problem "bake.kernel".

    Where the distribution keeps links to the newest one, these are taken: a later upgrade moves them, and the
    boot loader needs no other word.
    """
    for image, initrd in _LINKS:
        if _there(tree, image) and _there(tree, initrd):
            return Kernel("/" + image, "/" + initrd)
    folder = os.path.join(tree, "boot")
    names = sorted(os.listdir(folder), key=_natural) if os.path.isdir(folder) else []
    for name in reversed(names):
        version = name[len("vmlinuz-") :]
        for pattern in _INITRDS:
            if name.startswith("vmlinuz-") and pattern.format(version) in names:
                return Kernel("/boot/" + name, "/boot/" + pattern.format(version))
    raise Problem(
        "bake.kernel",
        "the root has no kernel with an initrd",
        folder,
        "a root that can boot",
        "Install the distribution's kernel in it (linux-image-cloud-amd64 on Debian), or leave "
        "whisperx_bake_disk empty.",
    )


def check(disk: Disk) -> Kernel:
    """Return the kernel of a disk that can be written.

    Raises Problem "bake.kernel", "bake.machine", "bake.tools" or "bake.room".
    """
    kernel = find_kernel(disk.tree)
    loader.check(disk.machine)
    folder = os.path.dirname(os.path.abspath(disk.path))
    if not os.path.isdir(folder):
        raise Problem(
            "bake.room", "there is no such directory", folder, "a directory for the disk", "Create it."
        )
    answer = os.statvfs(folder)
    room, wish = answer.f_bavail * answer.f_frsize, int(disk.used * (1 + _OVERHEAD)) + _ESP_SECTORS * SECTOR
    if room < wish:
        raise Problem(
            "bake.room",
            "{} MiB free".format(room // _MIB),
            folder,
            "{} MiB for the disk".format(-(-wish // _MIB)),
            "Free some space, or name another directory in whisperx_bake_disk.",
        )
    return kernel


def write(disk: Disk, kernel: Kernel) -> None:
    """Write the disk, which was checked, beside its name, then give it its name. Raises Problem, OSError."""
    beside = disk.path + ".part"
    bios, esp, root = layout = parts(disk.used, disk.free)
    identity = str(uuid.uuid4())
    with open(beside, "wb") as stream:
        stream.truncate((root.start + root.sectors) * SECTOR + _MIB)
    tools.run(["sfdisk", "--quiet", beside], _table(layout))
    # GRUB before 2.12 does not read a metadata_csum_seed.
    options = ["-O", "^metadata_csum_seed", "-E", "offset={}".format(root.offset)]
    naming = ["-L", "root", "-U", identity, "-m", "1", "-d", disk.tree]
    size = "{}k".format(root.sectors * SECTOR // 1024)
    tools.run(["mkfs.ext4", "-q", "-F", *naming, *options, beside, size])
    with tempfile.TemporaryDirectory(prefix="whisperx-loader-") as scratch:
        made = loader.make(disk.machine, scratch, esp.number)
        config = os.path.join(scratch, "grub.cfg")
        with open(config, "w", encoding="utf-8") as text:
            text.write(loader.config(identity, kernel.image, kernel.initrd, disk.words))
        _fill_esp(beside, esp, [(loader.CONFIG, config), *made.files])
        _embed(beside, bios, made)
    replace(beside, disk.path)


def _table(layout: Tuple[Part, ...]) -> str:
    """Return the partition table as sfdisk reads it; of a device's name it takes the number alone."""
    lines = ["label: gpt", "first-lba: {}".format(_FIRST)]
    for part in layout:
        lines.append(
            "/dev/disk{} : start={}, size={}, type={}, name={}".format(
                part.number, part.start, part.sectors, part.kind, part.name
            )
        )
    return "\n".join(lines) + "\n"


def _fill_esp(path: str, esp: Part, files: List[Tuple[str, str]]) -> None:
    """Make the FAT of the ESP and copy ``files``, (name in it, file) pairs."""
    image = "{}@@{}".format(path, esp.offset)
    tools.run(["mformat", "-i", image, "-T", str(esp.sectors), "-v", "ESP", "::"])
    folders: List[str] = []
    for name, source in files:
        steps = name.strip("/").split("/")[:-1]
        for depth in range(len(steps)):
            folder = "::/" + "/".join(steps[: depth + 1])
            if folder not in folders:
                folders.append(folder)
                tools.run(["mmd", "-i", image, folder])
        tools.run(["mcopy", "-i", image, source, "::" + name])


def _embed(path: str, bios: Part, made: loader.Made) -> None:
    """Put what a BIOS starts in front of the partitions."""
    boot, core = loader.embed(made.boot, made.core, bios.start)
    if len(core) > bios.sectors * SECTOR:
        raise Problem(
            "bake.tools",
            "GRUB's core has {} bytes".format(len(core)),
            path,
            "{} at most".format(bios.sectors * SECTOR),
            "Report it with the version of GRUB.",
        )
    with open(path, "r+b") as stream:
        stream.write(boot)
        stream.seek(bios.offset)
        stream.write(core)


def _there(tree: str, name: str) -> bool:
    """Whether a link of the root leads to something in the root."""
    path = os.path.join(tree, name)
    target = os.readlink(path) if os.path.islink(path) else ""
    return os.path.exists(os.path.join(tree, target.lstrip("/")) if target.startswith("/") else path)


def _natural(name: str) -> List[Tuple[int, int, str]]:
    """Return a key that sorts 6.9 before 6.12."""
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.split(r"(\d+)", name)]
