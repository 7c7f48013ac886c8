"""The parsers on any input: a record, None or a Problem, never another exception."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from module_utils.whisperx_common import ldcache
from module_utils.whisperx_host import (
    cpu,
    cuda,
    elf,
    engines,
    ffmpeg,
    gpus,
    interpreters,
    libc,
    nvidia,
    nvml,
    osrelease,
    surroundings,
)
from module_utils.whisperx_host.assume import overlay
from module_utils.whisperx_host.model import Host
from module_utils.whisperx_host.pci_ids import CAPABILITIES, CHIPS, capability_of, chip_of
from module_utils.whisperx_problem import Problem
from tests.unit.whisperx_host.host_trees import cache_bytes, elf_bytes

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["kind", "cuda", "devices"]), inner)
    ),
)


@given(st.text())
def test_text_parsers_never_break(text: str) -> None:
    cpu.parse_cpuinfo("flags : " + text)
    libc.parse_confstr("glibc " + text)
    libc.loader_family(text)
    cuda.parse_version_json(text)
    cuda.parse_version_txt("CUDA Version " + text)
    cuda.parse_cuda_number(text)
    engines.parse_cdi("kind: " + text)
    ffmpeg.soname_major("libavutil.so." + text)
    gpus.parse_information("Model: " + text)
    interpreters.version_in_path("/versions/" + text)
    nvidia.library_version("libcuda.so." + text)
    surroundings.parse_l4t("# R" + text)
    surroundings.parse_containerenv("engine=" + text)
    assert nvml.parse(text).failure
    assert osrelease.family_of(text, text) is not None


@given(st.binary(), st.binary())
def test_byte_parsers_never_break(head: bytes, tail: bytes) -> None:
    elf.parse(head)
    elf.parse(b"\x7fELF\x02\x01" + head + tail)
    gpus.parse_pci_ids(head + b"\n10de  x\n" + tail, 0x2330)
    surroundings.parse_secure_boot(head)
    engines.parse_dpkg(b"Package: podman\n" + head, ("podman",))
    engines.parse_apk(b"P:podman\nV:" + head, ("podman",))


@given(st.binary(max_size=400), st.integers(0, 400))
def test_a_loader_cache_is_read_or_refused(noise: bytes, cut: int) -> None:
    whole = cache_bytes([("libcuda.so.1", "/x/libcuda.so.1"), ("libm.so.6", "/x/libm.so.6")])
    for data in (noise, whole[:cut], whole[: len(whole) - cut // 8] + noise, b"ld.so-1.7.0\0" + noise):
        try:
            ldcache.parse(data, "x86_64", ("libcuda",))
        except Problem as problem:
            assert problem.rule == "host.ld-cache"


@given(st.text())
def test_a_driver_version_is_read_or_refused(text: str) -> None:
    for parse in (nvidia.parse_sysfs, nvidia.parse_nvrm):
        try:
            parse(text)
        except Problem as problem:
            assert problem.rule == "host.driver-version"


@given(st.integers(100, 999), st.integers(0, 999), st.integers(0, 99))
def test_driver_versions_are_read_back(major: int, minor: int, patch: int) -> None:
    version = f"{major}.{minor}.{patch:02d}"
    assert nvidia.parse_sysfs(version + "\n") == version
    line = f"NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  {version}  Release Build  (x@y)  Mon\n"
    assert nvidia.parse_nvrm(line) == nvidia.Module(version, True)
    assert nvidia.library_version(f"/x/libcuda.so.{version}") == version


@given(ANY_JSON)
def test_nvml_answers_of_any_shape(value: Any) -> None:
    for text in (
        json.dumps(value),
        json.dumps({"devices": value}),
        json.dumps({"error": value, "cuda": value}),
    ):
        assert isinstance(nvml.parse(text), nvml.Answer)
    for key in ("mig", "compute_capability", "memory", "pci_device", "error", "index"):
        nvml.parse(json.dumps({"devices": [{"index": 0, key: value}]}))


@given(ANY_JSON)
def test_cdi_and_toolkits_of_any_shape(value: Any) -> None:
    for text in (json.dumps(value), json.dumps({"kind": "a/b", "x": value}), json.dumps({"cuda": value})):
        engines.parse_cdi(text)
        cuda.parse_version_json(text)


@given(st.dictionaries(st.sampled_from(sorted(Host().to_dict())) | st.text(), ANY_JSON, max_size=3))
def test_assumptions_are_taken_or_refused(assume: dict[str, Any]) -> None:
    try:
        result = overlay(Host().to_dict(), assume)
    except Problem as problem:
        assert problem.rule in ("host.assume-key", "host.assume-value")
    else:
        assert set(result) == set(Host().to_dict())


@given(
    st.sampled_from(["x86_64", "aarch64"]),
    st.one_of(st.none(), st.from_regex(r"/lib/[a-z0-9.-]+", fullmatch=True)),
)
def test_elf_headers_are_read_back(machine: str, loader: str | None) -> None:
    assert elf.parse(elf_bytes(machine, loader)) == elf.Elf(machine, loader)


@given(st.lists(st.tuples(st.from_regex(r"lib[a-z]+\.so\.\d", fullmatch=True), st.just("/x"))), st.booleans())
def test_loader_caches_are_read_back(entries: list[tuple[str, str]], old: bool) -> None:
    assert ldcache.parse(cache_bytes(entries, old=old), "x86_64", ("lib",)) == entries


class TestAssume:
    def test_a_key_replaces_the_whole_value(self) -> None:
        read = {
            **Host().to_dict(),
            "sources": {"libc": "confstr", "nvidia_driver.version": "sysfs", "os": "x"},
        }
        facts = overlay(
            read, {"nvidia_driver": {"state": "running"}, "libc": {"family": "glibc", "version": "2.41"}}
        )
        assert facts["nvidia_driver"] == {"state": "running"}
        assert facts["sources"] == {"os": "x", "nvidia_driver": "assumed", "libc": "assumed"}
        assert read["sources"]["libc"] == "confstr"

    def test_null_is_absent(self) -> None:
        facts = overlay(Host().to_dict(), {"nvidia_driver": None, "gpus": None, "tegra": None})
        assert (facts["nvidia_driver"]["state"], facts["gpus"], facts["tegra"]) == ("absent", [], None)

    def test_an_unknown_key_names_the_known_ones(self) -> None:
        with pytest.raises(Problem, match=r"'gpu' is not a fact.*container_engines, cpu, cuda_toolkits"):
            overlay({}, {"gpu": []})

    @pytest.mark.parametrize(
        "assume", [{"gpus": {}}, {"wsl": "no"}, {"schema": 2}, {"machine": 7}, {"tegra": "36"}]
    )
    def test_wrong_values(self, assume: dict[str, Any]) -> None:
        with pytest.raises(Problem) as caught:
            overlay({}, assume)
        assert caught.value.rule == "host.assume-value"


class TestPciTable:
    def test_rows_are_in_order_and_do_not_overlap(self) -> None:
        assert all(first <= last for first, last, _chip in CHIPS)
        assert all(one[1] < two[0] for one, two in pairwise(CHIPS))

    def test_every_capability_belongs_to_a_chip(self) -> None:
        assert set(CAPABILITIES) <= {chip for _first, _last, chip in CHIPS}
        assert all(re.fullmatch(r"\d{1,2}\.\d", capability) for capability in CAPABILITIES.values())

    @given(st.integers(0, 0xFFFF))
    def test_every_id_has_a_chip_or_none(self, device: int) -> None:
        chip = chip_of(device)
        assert chip is None or any(first <= device <= last and chip == name for first, last, name in CHIPS)
        assert capability_of(None) is None
