"""A disk's layout, kernel and boot loader; that it boots is shown by tests/integration/test_boot.py."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from module_utils.whisperx_bake import disk, loader, tools
from module_utils.whisperx_bake.disk import Disk, Kernel, find_kernel, parts
from module_utils.whisperx_problem import Problem

MIB = 1024 * 1024


def plant(tree: Path, *names: str) -> Path:
    for name in names:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
    return tree


def test_partitions_lie_behind_one_another_and_the_root_comes_last() -> None:
    layout = parts(3000 * MIB, 500)
    assert [part.name for part in layout] == ["bios", "esp", "root"]
    for one, other in pairwise(layout):
        assert one.start + one.sectors <= other.start
    # Behind the table, and aligned where it matters.
    assert layout[0].start >= 34 and layout[1].offset % MIB == layout[2].offset % MIB == 0
    assert layout[2].sectors * 512 > 3500 * MIB


def test_the_links_of_the_distribution_are_the_kernel(tmp_path: Path) -> None:
    plant(tmp_path, "boot/vmlinuz-6.9", "boot/initrd.img-6.9", "boot/vmlinuz-6.12", "boot/initrd.img-6.12")
    assert find_kernel(str(tmp_path)) == Kernel("/boot/vmlinuz-6.12", "/boot/initrd.img-6.12")
    (tmp_path / "vmlinuz").symlink_to("boot/vmlinuz-6.12")
    (tmp_path / "initrd.img").symlink_to("/boot/initrd.img-6.12")
    assert find_kernel(str(tmp_path)) == Kernel("/vmlinuz", "/initrd.img")
    # A link that an upgrade left leads nowhere.
    (tmp_path / "vmlinuz").unlink()
    (tmp_path / "vmlinuz").symlink_to("boot/vmlinuz-6.1")
    assert find_kernel(str(tmp_path)).image == "/boot/vmlinuz-6.12"


@pytest.mark.parametrize("names", [("etc/fstab",), ("boot/vmlinuz-6.12",), ("boot/initrd.img-6.12",)])
def test_a_root_without_a_kernel_and_its_initrd_is_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(Problem) as raised:
        find_kernel(str(plant(tmp_path, *names)))
    assert raised.value.rule == "bake.kernel"


def test_the_record_leads_to_the_core_and_the_core_to_its_rest() -> None:
    record, core = loader.embed(bytes(512), bytes(2000), 34)
    # The table of partitions and the disk's signature stay what they are.
    assert len(record) == 440 and int.from_bytes(record[0x5C:0x64], "little") == 34
    assert len(core) == 2000 and int.from_bytes(core[0x1F4:0x1FC], "little") == 35


def test_the_configuration_names_the_file_system_and_the_words() -> None:
    text = loader.config("0a0b", "/vmlinuz", "/initrd.img", "console=ttyS0 whisperx.level=kernels")
    assert "search --no-floppy --fs-uuid --set=root 0a0b\n" in text
    assert "linux /vmlinuz root=UUID=0a0b rw console=ttyS0 whisperx.level=kernels\n" in text
    assert "linux /vmlinuz.old " in text and "initrd /initrd.img.old\n" in text


def wanted(tmp_path: Path, **values: Any) -> Disk:
    tree = plant(tmp_path / "root", "boot/vmlinuz-6.12", "boot/initrd.img-6.12")
    given = {"path": str(tmp_path / "disk.raw"), "tree": str(tree), "machine": "x86_64"}
    return Disk(**(given | {"used": MIB, "free": 1, "words": ""} | values))


def refused(asked: Disk) -> Problem:
    with pytest.raises(Problem) as raised:
        disk.check(asked)
    assert [path.name for path in Path(asked.path).parent.glob("disk*")] == []
    return raised.value


def test_what_cannot_be_written_is_told_before_it_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refused(wanted(tmp_path, machine="aarch64")).rule == "bake.machine"
    assert refused(wanted(tmp_path, path=str(tmp_path / "none" / "disk.raw"))).rule in (
        "bake.room",
        "bake.tools",
    )
    monkeypatch.setattr(tools, "find", lambda *names: "" if "mcopy" in names else "/usr/bin/true")
    monkeypatch.setattr(loader, "HOME", str(tmp_path))
    problem = refused(wanted(tmp_path))
    assert problem.rule == "bake.tools"
    assert "mtools" in problem.remedy and "grub-pc-bin" in problem.remedy and "fdisk" not in problem.remedy


def test_a_disk_without_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "check", lambda machine: None)
    full = os.statvfs(tmp_path)
    problem = refused(wanted(tmp_path, used=full.f_blocks * full.f_frsize))
    assert problem.rule == "bake.room" and "MiB free" in problem.found


def test_a_tool_that_fails_is_quoted() -> None:
    with pytest.raises(Problem) as raised:
        tools.run(["sh", "-c", "cat; exit 3"], "no such partition")
    assert raised.value.rule == "bake.tool" and "sh ended with 3: no such partition" in raised.value.found
