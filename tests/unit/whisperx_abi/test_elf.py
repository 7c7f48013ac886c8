"""The ELF reader against real files, against readelf, and against bytes that no linker wrote."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from module_utils.whisperx_abi.elf import Elf, parse, read
from module_utils.whisperx_common.versions import numbers
from module_utils.whisperx_problem import Problem
from tests.unit.whisperx_abi.elf_samples import CC, PROGRAM, compile_library, drop_stack_header, write_library

needs_cc = pytest.mark.skipif(CC is None, reason="no C compiler on this machine")


def of(data: bytes) -> Elf:
    return parse(lambda offset, size: data[offset : offset + size], len(data), "sample")


def must_read(path: Path) -> Elf:
    elf = read(str(path))
    assert elf is not None
    return elf


@needs_cc
def test_a_compiled_library_tells_what_the_linker_was_told(tmp_path: Path) -> None:
    library = compile_library(tmp_path, "libone.so", "-Wl,-soname,libone.so.1", "-Wl,-rpath,$ORIGIN/../x")
    elf = must_read(library)
    assert (elf.bits, elf.order, elf.type) == (64, "little", "dyn")
    assert elf.machine == os.uname().machine
    assert elf.soname == "libone.so.1"
    assert "$ORIGIN/../x" in (elf.rpath, elf.runpath)
    assert "libc.so.6" in elf.needed
    assert elf.interp is None
    assert not elf.private


@needs_cc
@pytest.mark.parametrize(("option", "expected"), [("execstack", True), ("noexecstack", False)])
def test_the_stack_flag_is_what_the_linker_was_told(tmp_path: Path, option: str, expected: bool) -> None:
    elf = must_read(compile_library(tmp_path, "libtwo.so", "-z", option))
    assert elf.stack_header
    assert elf.execstack is expected


@needs_cc
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the default is another one elsewhere")
def test_without_the_header_an_x86_64_object_asks_for_an_executable_stack(tmp_path: Path) -> None:
    library = compile_library(tmp_path, "libthree.so", "-z", "noexecstack")
    drop_stack_header(library)
    elf = must_read(library)
    assert not elf.stack_header
    assert elf.execstack


@needs_cc
def test_a_program_has_an_interpreter(tmp_path: Path) -> None:
    elf = must_read(compile_library(tmp_path, "program", source=PROGRAM))
    assert elf.interp is not None and "ld" in elf.interp


@pytest.mark.parametrize(
    ("machine", "bits", "order", "name", "executable"),
    [
        (62, 64, "little", "x86_64", True),
        (62, 32, "little", "x32", True),
        (3, 32, "little", "i686", True),
        (40, 32, "little", "arm", True),
        (183, 64, "little", "aarch64", False),
        (21, 64, "little", "ppc64le", False),
        (21, 64, "big", "ppc64", False),
        (22, 64, "big", "s390x", True),
        (243, 64, "little", "riscv64", True),
        (4242, 64, "little", "machine-4242", True),
    ],
)
def test_every_class_and_byte_order(machine: int, bits: int, order: str, name: str, executable: bool) -> None:
    versions = (("libc.so.6", (("GLIBC_2.9", False), ("GLIBC_2.34", False), ("GLIBC_2.99", True))),)
    elf = of(write_library(bits, order, machine, None, versions))
    assert (elf.machine, elf.bits, elf.order) == (name, bits, order)
    assert elf.execstack is executable
    assert elf.soname == "libwritten.so.1"
    assert elf.verneed == {"libc.so.6": ("GLIBC_2.9", "GLIBC_2.34")}
    assert elf.glibc == "2.34"


def test_glibc_floor_compares_numbers_and_private_is_seen() -> None:
    versions = (
        ("libm.so.6", (("GLIBC_2.2.5", False), ("GLIBC_2.29", False))),
        ("libc.so.6", (("GLIBC_2.4", False), ("GLIBC_PRIVATE", False))),
        ("libstdc++.so.6", (("GLIBCXX_3.4.32", False),)),
    )
    elf = of(write_library(versions=versions))
    assert elf.glibc == "2.29"
    assert elf.private
    assert numbers("2.9") < numbers("2.41") < numbers("2.41.1")


def test_a_file_that_is_no_elf_is_none(tmp_path: Path) -> None:
    path = tmp_path / "script.so"
    path.write_text("INPUT(libc.so.6)")
    assert read(str(path)) is None


def test_what_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        read(str(tmp_path / "absent.so"))
    assert caught.value.rule == "abi.unreadable"


def test_a_fifo_does_not_hang(tmp_path: Path) -> None:
    path = tmp_path / "pipe.so"
    os.mkfifo(path)
    with pytest.raises(Problem) as caught:
        read(str(path))
    assert caught.value.rule == "abi.malformed"


@pytest.mark.skipif(shutil.which("readelf") is None, reason="no readelf to compare with")
@pytest.mark.parametrize("name", ["/bin/ls", "/lib/x86_64-linux-gnu/libm.so.6", "/usr/lib64/libm.so.6"])
def test_the_system_files_read_as_readelf_reads_them(name: str) -> None:
    if not Path(name).exists():
        pytest.skip("not on this system")
    elf = must_read(Path(name))
    text = subprocess.run(["readelf", "-dVlW", name], check=True, capture_output=True, text=True).stdout
    assert elf.needed == tuple(re.findall(r"\(NEEDED\).*\[(.*)\]", text))
    needs = text[text.index("Version needs section") :]
    assert {item for names in elf.verneed.values() for item in names} == set(
        re.findall(r"Name: (\S+)", needs)
    )
    flags = re.search(r"GNU_STACK\s+\S+ \S+ \S+ \S+ \S+ (\S+)", text)
    assert flags is not None and elf.execstack is ("E" in flags.group(1))


def _set(data: bytes, layout: str, offset: int, value: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into(layout, changed, offset, value)
    return bytes(changed)


SAMPLE = write_library(versions=(("libc.so.6", (("GLIBC_2.5", False), ("GLIBC_2.6", False))),))
NEED_AT = SAMPLE.index(b"libwritten")  # the version needs follow the strings
NEED_AT = SAMPLE.index(b"\0", NEED_AT) + 1


@pytest.mark.parametrize(
    ("why", "data"),
    [
        ("empty", b""),
        ("magic only", b"\x7fELF"),
        ("half a header", SAMPLE[:40]),
        ("cut in the middle", SAMPLE[: len(SAMPLE) // 2]),
        ("one byte short", SAMPLE[:-1]),
        ("class 3", _set(SAMPLE, "B", 4, 3)),
        ("no program headers", _set(SAMPLE, "<H", 56, 0)),
        ("65535 program headers", _set(SAMPLE, "<H", 56, 65535)),
        ("program headers of 1 byte", _set(SAMPLE, "<H", 54, 1)),
        ("table beyond all files", _set(SAMPLE, "<Q", 32, 2**64 - 1)),
        ("segment beyond the end", _set(SAMPLE, "<Q", 64 + 32, 2**63)),
        ("misaligned segment", _set(SAMPLE, "<Q", 64 + 16, 1)),
        ("huge dynamic section", _set(SAMPLE, "<Q", 64 + 56 + 32, 2**40)),
        ("dynamic section outside", _set(SAMPLE, "<Q", 64 + 56 + 8, 2**40)),
    ],
)
def test_what_no_loader_takes_is_malformed(why: str, data: bytes) -> None:
    with pytest.raises(Problem) as caught:
        of(data)
    assert caught.value.rule == "abi.malformed", why
    assert caught.value.where == "sample"


def test_a_chain_of_needs_that_never_ends_is_cut() -> None:
    """Forward chains over many entries, each claiming 65535 versions, cost bounded time."""
    entry = struct.pack("<HHIII", 1, 65535, 1, 16, 16)
    aux = struct.pack("<IHHII", 0, 0, 0, 1, 1)
    base = write_library(versions=(("libc.so.6", (("GLIBC_2.5", False),)),))
    data = base[:-32] + (entry + aux) * 40000
    data = _set(data, "<Q", 64 + 32, len(data))
    at = base.index(struct.pack("<Q", 0x6FFFFFFF)) + 8
    data = _set(data, "<Q", at, 2**60)
    begun = time.process_time()
    with pytest.raises(Problem):
        of(data)
    assert time.process_time() - begun < 1


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    found = [
        write_library(bits, order, machine, 7, (("libc.so.6", (("GLIBC_2.5", False), ("GLIBC_2.6", False))),))
        for bits, order, machine in ((64, "little", 62), (32, "little", 3), (64, "big", 22), (32, "big", 20))
    ]
    if CC is not None:
        directory = tmp_path_factory.mktemp("elf")
        found.append(compile_library(directory, "libfuzz.so", "-s", "-Wl,-rpath,/x").read_bytes())
    return found


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    which=st.integers(0, 4),
    edits=st.lists(
        st.tuples(st.integers(0, 2**16), st.sampled_from([0, 1, 2, 0x7F, 0x80, 0xFF]) | st.integers(0, 255)),
        max_size=12,
    ),
    cut=st.none() | st.integers(0, 2**14),
)
@example(which=0, edits=[], cut=None)
def test_mutated_files_are_read_or_refused_quickly(
    bases: list[bytes], which: int, edits: list[tuple[int, int]], cut: int | None
) -> None:
    data = bytearray(bases[which % len(bases)])
    for place, value in edits:
        # Most of the fields that matter lie at the beginning.
        data[place % (len(data) if place % 3 else min(len(data), 1024))] = value
    view = bytes(data[:cut])
    begun = time.process_time()
    try:
        elf = of(view)
        assert elf.bits in (32, 64)
        assert elf.glibc is None or numbers(elf.glibc)
    except Problem as problem:
        assert problem.rule == "abi.malformed"
    assert time.process_time() - begun < 1


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_after_the_magic(data: bytes) -> None:
    with pytest.raises(Problem):
        of(b"\x7fELF" + b"\x09" + data)
    try:
        of(b"\x7fELF\x02\x01\x01" + bytes(9) + data)
    except Problem as problem:
        assert problem.rule == "abi.malformed"
