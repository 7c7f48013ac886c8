"""Mounted systems: nothing can be run, so files decide; what is not known of the system is no mismatch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from module_utils.whisperx_doctor.consult import Where, consult
from module_utils.whisperx_doctor.records import Asked
from tests.unit.whisperx_abi.elf_samples import write_library
from tests.unit.whisperx_host.host_trees import HostTree, debian
from tools.troubleshooting import knowledge

DOCUMENT = knowledge()
SITE = "/opt/v/lib/python3.13/site-packages"
X86, ARM = 62, 183
CXX = ("libstdc++.so.6", "libgcc_s.so.1", "libc.so.6")


def venv(host: HostTree, machine: int = X86, needed: tuple[str, ...] = CXX, *more: str) -> HostTree:
    """Put a venv with ctranslate2 into a tree: one extension and its library, like the wheel's."""
    host.file("/opt/v/pyvenv.cfg", "home = /usr/bin\n").link("/opt/v/bin/python", "/usr/bin/python3.13")
    host.file(f"{SITE}/ctranslate2-4.8.5.dist-info/METADATA", "Name: ctranslate2\nVersion: 4.8.5\n")
    host.file(f"{SITE}/ctranslate2/__init__.py")
    for name in (f"{SITE}/ctranslate2/_ext.cpython-313-x86_64-linux-gnu.so", *more):
        host.file(name, write_library(machine=machine, needed=needed, soname=None))
    return host


def judge(host: HostTree) -> dict[str, Any]:
    told = consult(Where(["/opt/v"]), Asked(root=str(host.root)), DOCUMENT)
    (only,) = told["environments"]
    assert "for another kind of machine" not in " ".join(told["page"]) or only["facts"]["machine"]
    return only


def rows(found: dict[str, Any], part: str = "failures") -> list[str]:
    return [item["id"] for item in found[part]]


def test_a_system_below_another_store_is_known_by_its_loader(tmp_path: Path) -> None:
    """NixOS and Guix with a compatible loader: libc is beside it, and the machine that of its ELF header."""
    host = HostTree(tmp_path)
    store = "/nix/store/abc-glibc-2.40/lib"
    host.file("/etc/os-release", "ID=nixos\nVERSION_ID=25.11\n")
    host.elf(f"{store}/libc.so.6", [b"GNU C Library (GNU libc) stable release version 2.40.\n"])
    host.elf(f"{store}/ld-linux-x86-64.so.2", loader=None)
    host.link("/lib64/ld-linux-x86-64.so.2", f"{store}/ld-linux-x86-64.so.2")
    found = judge(venv(host, needed=("libc.so.6",)))
    assert (found["facts"]["machine"], found["facts"]["libc"]) == ("x86_64", "glibc 2.40")
    assert "failure.other-machine" not in rows(found)


@pytest.mark.parametrize("machine", [X86, ARM])
def test_an_unknown_machine_is_no_mismatch(tmp_path: Path, machine: int) -> None:
    found = judge(venv(HostTree(tmp_path), machine))
    assert found["facts"]["machine"] is None
    assert rows(found) == [] and found["verdict"] == "unknown"


def test_without_a_libc_the_machine_is_that_of_the_interpreter(tmp_path: Path) -> None:
    host = HostTree(tmp_path).python("/usr/bin/python3.13", "3.13.5").link("/usr/bin/python3", "python3.13")
    found = judge(venv(host, ARM))
    assert found["facts"]["machine"] == "x86_64"
    assert rows(found) == ["failure.other-machine"]


@pytest.mark.parametrize("there", [True, False])
def test_a_system_library_that_every_extension_lacks_is_unfit(tmp_path: Path, there: bool) -> None:
    host = venv(debian(tmp_path))
    for name in ("libgcc_s.so.1", *(["libstdc++.so.6"] if there else [])):
        host.file(f"/usr/lib/x86_64-linux-gnu/{name}", write_library(soname=name, needed=("libc.so.6",)))
    found = judge(host)
    assert rows(found) == ([] if there else ["failure.library-missing"])
    assert found["verdict"] == ("unknown" if there else "unfit")
    assert there or "libstdc++.so.6" in found["failures"][0]["sentence"]


def test_what_packages_work_without_does_not_decide(tmp_path: Path) -> None:
    """FFmpeg's and TBB's libraries, and those of a package that nobody here knows."""
    host = debian(tmp_path)
    for name, needed in (
        ("torchcodec/x.so", "libavutil.so.60"),
        ("numba/np/ufunc/tbbpool.cpython-313-x86_64-linux-gnu.so", "libtbb.so.12"),
        ("somebodys/y.cpython-313-x86_64-linux-gnu.so", "libsomething.so.1"),
    ):
        host.file(f"{SITE}/{name}", write_library(needed=(needed, "libc.so.6"), soname=None))
    found = judge(venv(host, X86, ("libc.so.6",)))
    assert found["verdict"] == "unknown" and rows(found) == []
