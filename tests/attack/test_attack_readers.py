"""Every reader of outside bytes on a host: it reads, or raises the one exception that names the place.

Facts come from files that packages, drivers and other programs wrote; records from earlier runs, half-written
ones and edited ones among them. Nothing of it may end in a traceback.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from env_hosts import Host as EnvHost
from env_hosts import wanted
from host_trees import HostTree, debian
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strength import amount

from module_utils.whisperx_common import ldcache, lockfile, tree
from module_utils.whisperx_firstboot import records as firstboot
from module_utils.whisperx_firstboot import withdraw
from module_utils.whisperx_guard import dpkg, install, main, rpm
from module_utils.whisperx_guard.managed import managed
from module_utils.whisperx_host import elf, nvml
from module_utils.whisperx_problem import Problem
from module_utils.whisperx_release import state

SETTINGS = settings(
    max_examples=amount(40, 2000), deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)

WORDS = st.sampled_from(
    [
        "",
        "\0",
        "../../etc",
        "/",
        "a" * 5000,
        "{{ 7*7 }}",
        "\x1b[31m",
        "-1",
        "1e999",
        "\ud7ff",
        "%s%n",
        "$(id)",
    ]
)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | WORDS
ANY_JSON = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
BYTES = st.binary(max_size=600) | ANY_JSON.map(json.dumps).map(str.encode) | WORDS.map(str.encode)


# -- The probe ----------------------------------------------------------------------------------------------


def machine(top: Path) -> HostTree:
    """A host of which every reader of facts finds something."""
    host = debian(top)
    host.gpu("0000:01:00.0", "2330", "nvidia").driver("570.124.06")
    host.file("/usr/local/cuda-12.8/version.json", '{"cuda": {"version": "12.8.1"}}')
    host.file("/etc/cdi/nvidia.yaml", 'kind: nvidia.com/gpu\ndevices:\n- name: "0"\n')
    host.elf("/usr/bin/podman", [b"5.4.2"]).elf("/usr/bin/docker", [b"28.0.0"])
    host.elf("/usr/lib/x86_64-linux-gnu/libavutil.so.59", loader=None)
    host.elf("/usr/lib/x86_64-linux-gnu/libcudnn.so.9.10.2", loader=None)
    host.file("/proc/1/environ", "container=podman\0").file("/proc/1/cgroup", "0::/\n")
    host.file("/etc/nv_tegra_release", "# R36 (release), REVISION: 4.0\n")
    host.file("/sys/fs/selinux/enforce", "1").file("/proc/version", "Linux version 6.12\n")
    return host.file("/etc/ld.so.cache", b"glibc-ld.so.cache1.1" + bytes(100))


# These are read by the package distro, which opens whatever is there.
BY_DISTRO = ("/usr/lib/os-release", "/etc/os-release", "/etc/debian_version", "/etc/lsb-release")


def read_by_the_probe() -> list[str]:
    """Return every file that the probe reads on such a machine."""
    asked: set[str] = set()
    plain, top = tree.Tree.head, Path(tempfile.mkdtemp())

    def head(self: tree.Tree, path: str, size: int, private: bool = False) -> bytes | None:
        asked.add(self.real(path))
        return plain(self, path, size, private)

    try:
        tree.Tree.head = head  # type: ignore[method-assign]
        machine(top).probe()
    finally:
        tree.Tree.head = plain  # type: ignore[method-assign]
        shutil.rmtree(top)
    return sorted(
        asked | {"/usr/lib/os-release", "/etc/os-release", "/etc/debian_version", "/etc/lsb-release"}
    )


READ = read_by_the_probe()


def test_the_probe_reads_enough_to_be_worth_an_attack() -> None:
    for path in ("/usr/lib/os-release", "/etc/ld.so.cache", "/proc/cpuinfo", "/sys/module/nvidia/version"):
        assert path in READ
    assert len(READ) > 20


def put(place: Path, kind: str, data: bytes) -> None:
    """Put something hostile in a file's place."""
    if place.is_dir() and not place.is_symlink():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_symlink() or place.exists():
        place.unlink()
    if kind == "bytes":
        place.write_bytes(data)
    elif kind == "directory":
        place.mkdir()
    elif kind == "fifo":
        os.mkfifo(place)
    else:
        place.symlink_to({"loop": place.name, "null": "/dev/null", "zero": "/dev/zero"}.get(kind, "absent"))


KINDS = st.sampled_from(["bytes", "bytes", "bytes", "directory", "fifo", "loop", "dangling", "zero", "null"])


@SETTINGS
@given(st.dictionaries(st.sampled_from(READ), st.tuples(KINDS, BYTES), min_size=1, max_size=6))
def test_the_probe(hostile: dict[str, tuple[str, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as top:
        host = machine(Path(top) / "root")
        for path, (kind, data) in hostile.items():
            put(host.root / path.lstrip("/"), kind, data)
        try:
            facts = host.probe().to_dict()
        except Problem as problem:
            assert problem.rule.startswith("host.") and problem.where
        else:
            json.dumps(facts)


@pytest.mark.parametrize("path", BY_DISTRO)
@pytest.mark.parametrize("kind", ["fifo", "zero", "loop", "directory", "dangling", "null"])
def test_the_identity_of_the_distribution(tmp_path: Path, path: str, kind: str) -> None:
    host = machine(tmp_path / "root")
    put(host.root / path.lstrip("/"), kind, b"")
    try:
        host.probe()
    except Problem as problem:
        assert problem.rule == "host.os-release"


@SETTINGS
@given(BYTES)
def test_parsers_of_bytes(data: bytes) -> None:
    elf.parse(data)
    for beginning in (b"", b"glibc-ld.so.cache1.1", b"ld.so-1.7.0\0\0\0\0"):
        try:
            ldcache.parse(beginning + data, "x86_64", ("libcuda.so",))
        except Problem as problem:
            assert problem.rule == "host.ld-cache"
    assert nvml.parse(data.decode("utf-8", "replace")) is not None


# -- Records on the host ------------------------------------------------------------------------------------


RELEASE = "releases/whisperx-1.0"
RECORDS = (
    ".whisperx-fleet",
    ".rolled-back",
    "rolled_back.json",
    f"{RELEASE}/release.json",
    f"{RELEASE}/manifest.json",
    f"{RELEASE}/requirements.txt",
)


def typed(record: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """Return a record of which one value is of another type, or was cut."""
    text = json.dumps(record)
    swapped = st.tuples(st.sampled_from(sorted(record)), ANY_JSON).map(
        lambda pair: {**record, pair[0]: pair[1]}
    )
    return swapped.map(lambda value: json.dumps(value).encode()) | st.integers(0, len(text)).map(
        lambda end: text[:end].encode()
    )


RECORD = {
    "schema": 1, "id": "x", "wanted": "x", "created": "2026-01-01T00:00:00Z", "requested": ["whisperx"],
    "python": "3.11", "python_path": "/usr/bin/python3.11", "device": "cpu", "versions": {"whisperx": "1.0"},
    "scripts": ["whisperx"], "verify": {"level": "import"}, "needs": {}, "host": {}, "runtime": "container",
    "engine": "podman", "image": "localhost/x:1", "image_id": "0" * 64, "environment": {}, "entries": {},
    "sizes": {}, "packages": {}, "from": "a", "to": "b",
}  # fmt: skip


@SETTINGS
@given(st.sampled_from(RECORDS), st.sampled_from(["current", "previous", ""]), BYTES | typed(RECORD), KINDS)
def test_the_state_of_a_root(record: str, link: str, data: bytes, kind: str) -> None:
    with tempfile.TemporaryDirectory() as base:
        host = EnvHost(Path(base))
        host.release(wanted("1.0"))
        host.use(wanted("1.0"))
        put(host.root / record, "bytes", data)
        if link:
            put(host.root / link, kind, data)
        try:
            found = state.read(host.layout)
        except Problem as problem:
            assert problem.rule == "env.foreign-directory"
        else:
            for release in found.releases.values():
                assert release.complete in (True, False)
            managed([str(host.root)])


@SETTINGS
@given(BYTES | typed(RECORD))
def test_the_record_of_an_image_and_the_guard(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as base:
        path = Path(base) / "image.json"
        path.write_bytes(data)
        with pytest.raises(Problem) if not valid_image(path) else nothing():
            firstboot.read_image(str(path))
        places = firstboot.Places(base)
        put(Path(places.image), "bytes", data)
        withdraw.remove(places, "/opt/whisperx", True)
        guard = install.Places(base=base)
        (Path(base) / "etc/apt/apt.conf.d").mkdir(parents=True)
        put(Path(guard.config), "bytes", data)
        install.forget(guard, "/opt/whisperx", False)
        assert not Path(guard.config).exists()


def valid_image(path: Path) -> bool:
    try:
        firstboot.read_image(str(path))
    except Problem:
        return False
    return True


class nothing:  # noqa: N801 - stands beside pytest.raises
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


@SETTINGS
@given(BYTES)
def test_locks(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    for lock in (text, wanted("1.0").text + text, wanted("1.0").text[: len(data)]):
        try:
            lockfile.parse(lock, "lock")
        except Problem as problem:
            assert problem.rule == "lock.malformed"


# -- What package managers say ------------------------------------------------------------------------------


@SETTINGS
@given(BYTES, st.sampled_from(["apt", "dnf"]))
def test_what_a_package_manager_tells_the_guard(data: bytes, manager: str) -> None:
    """The guard itself never fails a package run, whatever it is told."""
    text = data.decode("utf-8", "replace")
    readers: dict[str, Callable[[str], object]] = {"apt": dpkg.parse, "dnf": rpm.parse}
    try:
        readers[manager](text)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    with tempfile.TemporaryDirectory() as base:
        (Path(base) / "guard.json").write_text(json.dumps({"roots": [base], "packages": [], "mode": "block"}))
        assert main.main(manager, base, text, {}) == 0
