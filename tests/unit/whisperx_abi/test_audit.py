"""The gate over trees as installers leave them: what is refused, what is rightly left alone, how fast."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from module_utils.whisperx_abi.audit import Audit, Finding, audit
from module_utils.whisperx_problem import Problem
from tests.unit.whisperx_abi.elf_samples import CC, PROGRAM, compile_library, write_library

SITE = Path("lib/python3.13/site-packages")
X86_64, AARCH64, I386 = 62, 183, 3
RW, RWE = 6, 7


def put(root: Path, name: str, data: bytes) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def gate(root: Path, glibc: str | None = "2.41", machine: str = "x86_64", allowed: bool = False) -> Audit:
    return audit(str(root), glibc, machine, allowed, "2.41")


def rules(found: Audit) -> list[tuple[str, str]]:
    return [(item.rule, Path(item.file).name) for item in found.findings]


@pytest.mark.parametrize(
    ("glibc", "allowed", "refused"),
    [("2.40", False, False), ("2.41", False, True), ("2.43", False, True), ("2.43", True, False),
     ("2.5", False, False), ("3.0", False, True), (None, False, False)],
)  # fmt: skip
def test_an_executable_stack_is_refused_from_the_glibc_that_refuses_it(
    tmp_path: Path, glibc: str | None, allowed: bool, refused: bool
) -> None:
    put(tmp_path, str(SITE / "ctranslate2.libs/libctranslate2-57b7.so.4.4.0"), write_library(stack=RWE))
    found = gate(tmp_path, glibc, allowed=allowed)
    assert found.objects == 1
    assert [item.rule for item in found.findings] == (["abi.execstack"] if refused else [])
    if refused:
        finding = found.findings[0]
        assert finding.file == str(SITE / "ctranslate2.libs/libctranslate2-57b7.so.4.4.0")
        assert glibc is not None and glibc in finding.wanted


def test_a_missing_stack_header_counts_and_is_named(tmp_path: Path) -> None:
    put(tmp_path, "lib/x.so", write_library(stack=None))
    assert "PT_GNU_STACK" in gate(tmp_path).findings[0].found
    put(tmp_path, "lib/x.so", write_library(stack=None, machine=AARCH64))
    assert gate(tmp_path, machine="aarch64").findings == ()


@pytest.mark.skipif(CC is None, reason="no C compiler on this machine")
def test_a_program_may_ask_for_it_for_the_kernel_gives_it(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    compile_library(tmp_path / "bin", "tool", "-z", "execstack", source=PROGRAM)
    found = audit(str(tmp_path), "9.0", os.uname().machine, False, "2.41")
    assert (found.objects, found.findings) == (1, ())


@pytest.mark.skipif(CC is None, reason="no C compiler on this machine")
def test_compiled_libraries_on_the_host_they_were_compiled_on(tmp_path: Path) -> None:
    compile_library(tmp_path, "good.so", "-z", "noexecstack")
    compile_library(tmp_path, "bad.so", "-z", "execstack")
    here = os.confstr("CS_GNU_LIBC_VERSION")
    if here is None or not here.startswith("glibc"):
        pytest.skip("no glibc here")
    found = audit(str(tmp_path), here.split()[1], os.uname().machine, False, "2.0")
    assert rules(found) == [("abi.execstack", "bad.so")]


def test_the_glibc_floor(tmp_path: Path) -> None:
    versions = (("libc.so.6", (("GLIBC_2.9", False), ("GLIBC_2.34", False), ("GLIBC_2.99", True))),)
    put(tmp_path, "lib/x.so", write_library(versions=versions))
    assert gate(tmp_path, "2.34").findings == ()
    [finding] = gate(tmp_path, "2.31").findings
    assert (finding.rule, finding.found) == ("abi.glibc", "needs symbols of glibc 2.34")
    assert gate(tmp_path, None).findings == ()


def test_private_symbols_of_glibc(tmp_path: Path) -> None:
    versions = (("libc.so.6", (("GLIBC_PRIVATE", False),)),)
    put(tmp_path, "lib/x.so", write_library(versions=versions))
    put(tmp_path, "lib/libm-0f1e.so.6", write_library(versions=versions, soname="libm-0f1e.so.6"))
    assert rules(gate(tmp_path)) == [("abi.private", "x.so")]


def test_a_package_for_another_machine_is_refused(tmp_path: Path) -> None:
    put(tmp_path, str(SITE / "right/_x.cpython-313-x86_64-linux-gnu.so"), write_library())
    put(tmp_path, str(SITE / "wrong/_x.abi3.so"), write_library(machine=AARCH64))
    put(tmp_path, str(SITE / "wrong/inner/liby.so.1"), write_library(machine=AARCH64))
    assert rules(gate(tmp_path)) == [("abi.machine", "_x.abi3.so"), ("abi.machine", "liby.so.1")]


def test_strangers_beside_the_right_object_are_left_alone(tmp_path: Path) -> None:
    """A debugger ships objects for several machines; one that this Python would import is wrong still."""
    put(tmp_path, str(SITE / "tracer/attach_amd64.so"), write_library())
    put(tmp_path, str(SITE / "tracer/attach_x86.so"), write_library(32, "little", I386, RWE))
    put(tmp_path, str(SITE / "tracer/_c.cpython-313-aarch64-linux-gnu.so"), write_library(machine=AARCH64))
    assert rules(gate(tmp_path)) == []
    put(tmp_path, str(SITE / "tracer/_c.cpython-313-x86_64-linux-gnu.so"), write_library(machine=AARCH64))
    assert rules(gate(tmp_path)) == [("abi.machine", "_c.cpython-313-x86_64-linux-gnu.so")]


def test_damaged_files(tmp_path: Path) -> None:
    whole = write_library()
    put(tmp_path, "a/cut.so", whole[:-9])
    put(tmp_path, "a/empty.so.1", b"")
    put(tmp_path, "a/page.so", b"<html>\xe9 not found</html>")
    put(tmp_path, "a/linker.so", b"/* GNU ld script */\nINPUT ( libc.so.6 )\n")
    put(tmp_path, "a/whole.so", whole)
    put(tmp_path, "bin/activate", b"#!/bin/sh\n")
    put(tmp_path, "bin/cut-tool", whole[:200])
    found = gate(tmp_path)
    assert rules(found) == [
        ("abi.malformed", "cut.so"), ("abi.malformed", "empty.so.1"), ("abi.malformed", "page.so"),
        ("abi.malformed", "cut-tool"),
    ]  # fmt: skip
    assert found.objects == 1


def test_what_is_no_object_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.so")
    (tmp_path / "directory.so").mkdir()
    put(tmp_path, "notes.sock", b"")
    put(tmp_path, "song.sox", b"")
    put(tmp_path, "__pycache__/x.so", b"")
    assert gate(tmp_path) == Audit(0, ())


def test_links_are_counted_once_and_loops_end(tmp_path: Path) -> None:
    root = tmp_path / "env"
    put(root, str(SITE / "p/libx.so.1.2"), write_library(stack=RWE))
    (root / SITE / "p/libx.so.1").symlink_to("libx.so.1.2")
    (root / "lib64").symlink_to("lib")
    (root / "lib/loop").symlink_to("..")
    (root / "lib/self.so").symlink_to("self.so")
    outside = put(tmp_path, "cache/liby.so", write_library(stack=RWE))
    (root / SITE / "p/liby.so").symlink_to(outside)
    found = gate(root)
    assert rules(found) == [("abi.execstack", "libx.so.1.2"), ("abi.execstack", "liby.so")]


def test_a_root_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        gate(tmp_path / "absent")
    assert caught.value.rule == "abi.unreadable"


def test_every_finding_says_what_to_do(tmp_path: Path) -> None:
    put(tmp_path, "a/x.so", write_library(stack=RWE, versions=(("libc.so.6", (("GLIBC_2.99", False),)),)))
    put(tmp_path, "b/y.so", write_library(machine=AARCH64))
    put(tmp_path, "c/z.so", b"\x00")
    findings: tuple[Finding, ...] = gate(tmp_path).findings
    assert [item.rule for item in findings] == ["abi.execstack", "abi.glibc", "abi.machine", "abi.malformed"]
    assert all(item.found and item.wanted and item.remedy.endswith(".") for item in findings)


def test_every_object_of_a_whole_environment_is_read(tmp_path: Path) -> None:
    """50 objects among 3,000 files in 300 directories: a tenth of what a WhisperX environment has."""
    library = write_library(versions=(("libc.so.6", tuple((f"GLIBC_2.{n}", False) for n in range(2, 30))),))
    sample = put(tmp_path, "sample.so", library)
    root = tmp_path / "env"
    for number in range(300):
        directory = root / SITE / f"package{number // 10}/part{number % 10}"
        directory.mkdir(parents=True)
        for inner in range(10):
            (directory / f"module{inner}.py").touch()
        if number % 6 == 0:
            shutil.copyfile(sample, directory / f"_native{number}.cpython-313-x86_64-linux-gnu.so")
    assert gate(root) == Audit(50, ())
