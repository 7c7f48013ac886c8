"""The boot loader of a disk: GRUB, made from its parts, without installing it on any machine.

One configuration lies on the ESP, in plain text, and both firmwares come to it. Source of the places that are
written in ``embed``: boot.S and diskboot.S of GRUB, where grub-bios-setup writes them too.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import List, Mapping, Tuple

from ..whisperx_problem import Problem
from . import tools

__all__ = ["CONFIG", "Firmware", "Made", "check", "config", "embed", "make"]

CONFIG = "/grub/grub.cfg"
HOME = "/usr/lib/grub"
_MAKERS = ("grub-mkimage", "grub2-mkimage")
_MODULES = ("part_gpt", "fat", "ext2", "normal", "linux", "search", "search_fs_uuid", "test")
# Of the first sector a boot record may have what is before the disk's signature and the table of partitions.
_RECORD = 440
_KERNEL_SECTOR = 0x5C
_BLOCK_LIST = 512 - 12


@dataclass(frozen=True)
class Firmware:
    """What starts a machine: GRUB's platform, Debian's package of it, more modules, the name on the ESP.

    ``name`` is the path that UEFI looks for on a removable disk (UEFI 2.10, 3.5.1.1), "" where the boot
    record leads to GRUB.
    """

    platform: str
    package: str
    modules: Tuple[str, ...] = ()
    name: str = ""


# By machine, as the facts name it.
FIRMWARES: Mapping[str, Tuple[Firmware, ...]] = {
    "x86_64": (
        Firmware("i386-pc", "grub-pc-bin", ("biosdisk",)),
        Firmware("x86_64-efi", "grub-efi-amd64-bin", (), "/EFI/BOOT/BOOTX64.EFI"),
    )
}


@dataclass(frozen=True)
class Made:
    """A boot loader: boot record and core for a BIOS, (name on the ESP, file) pairs for UEFI."""

    boot: bytes
    core: bytes
    files: Tuple[Tuple[str, str], ...]


def check(machine: str) -> None:
    """See to it that a boot loader can be made here. Raises Problem "bake.machine", "bake.tools"."""
    if machine not in FIRMWARES:
        raise Problem(
            "bake.machine",
            "the root is of {}, no boot loader is known for it".format(machine or "an unknown machine"),
            "the root that is baked",
            "one of {}".format(", ".join(sorted(FIRMWARES))),
            "Leave whisperx_bake_disk empty and take the archive, or bake in a machine that boots already.",
        )
    packages = {package for tool, package in tools.PACKAGES.items() if not tools.find(tool)}
    if not tools.find(*_MAKERS):
        packages.add("grub-common")
    for firmware in FIRMWARES[machine]:
        if not os.path.isfile(os.path.join(HOME, firmware.platform, "moddep.lst")):
            packages.add(firmware.package)
    if packages:
        raise Problem(
            "bake.tools",
            "tools that write a disk are missing",
            "the machine that bakes",
            "Debian's packages {} or their equivalents".format(", ".join(sorted(packages))),
            "apt-get install --no-install-recommends {}".format(" ".join(sorted(packages))),
        )


def config(identity: str, image: str, initrd: str, words: str) -> str:
    """Return GRUB's configuration: ``identity`` is the root file system's UUID, ``words`` the kernel's."""
    return (
        "# Written by playbooks/bake.yml. Edit it on the ESP; nothing writes it again.\n"
        "set timeout=1\n"
        "search --no-floppy --fs-uuid --set=root {uuid}\n"
        "menuentry 'Linux' {{\n"
        "  linux {image} root=UUID={uuid} rw {words}\n"
        "  initrd {initrd}\n"
        "}}\n"
        "if [ -e {image}.old ]; then\n"
        "  menuentry 'Linux, the kernel before' {{\n"
        "    linux {image}.old root=UUID={uuid} rw {words}\n"
        "    initrd {initrd}.old\n"
        "  }}\n"
        "fi\n"
    ).format(uuid=identity, image=image, initrd=initrd, words=words)


def make(machine: str, scratch: str, esp: int) -> Made:
    """Make the loader in the directory ``scratch``; ``esp`` is the ESP's number on the same disk."""
    boot = core = b""
    files: List[Tuple[str, str]] = []
    for firmware in FIRMWARES[machine]:
        target = os.path.join(scratch, firmware.platform)
        home = os.path.join(HOME, firmware.platform)
        argv = [tools.find(*_MAKERS), "-O", firmware.platform, "-d", home, "-o", target]
        # Without a disk's name: the one that GRUB was started from.
        argv += ["-p", "(,gpt{})/grub".format(esp), *_MODULES, *firmware.modules]
        tools.run(argv)
        if firmware.name:
            files.append((firmware.name, target))
        else:
            boot, core = _read(os.path.join(home, "boot.img")), _read(target)
    return Made(boot, core, tuple(files))


def embed(boot: bytes, core: bytes, start: int) -> Tuple[bytes, bytes]:
    """Return the boot record and the core for a core that begins at the sector ``start``.

    The record names the core's first sector; that one's list of blocks names where the rest begins.
    """
    record, whole = bytearray(boot[:_RECORD]), bytearray(core)
    record[_KERNEL_SECTOR : _KERNEL_SECTOR + 8] = start.to_bytes(8, "little")
    whole[_BLOCK_LIST : _BLOCK_LIST + 8] = (start + 1).to_bytes(8, "little")
    return bytes(record), bytes(whole)


def _read(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()
