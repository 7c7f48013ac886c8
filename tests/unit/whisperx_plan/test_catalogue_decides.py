"""What rows of the catalogue do to plans: blocked versions, CPU flags, what is left out, full pins."""

from __future__ import annotations

from typing import Any

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from module_utils.whisperx_plan.decide import decide
from module_utils.whisperx_plan.model import Request
from tests.unit.whisperx_catalogue.knowledge import catalogue
from tests.unit.whisperx_plan.hosts import facts, with_gpu

V2 = ["cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"]


def decided(host: dict[str, Any], packages: dict[str, str] | None = None, **request: Any) -> dict[str, Any]:
    asked = Request.make(packages or {"whisperx": ""}, **request)
    return dict(decide({"h": host}, asked, catalogue()).hosts["h"])


@pytest.mark.parametrize("packages", [{"whisperx": ""}, {"whisperx": "==3.4.5"}, {"ctranslate2": ""}])
@pytest.mark.parametrize("unknown", ["refuse", "gate"])
def test_no_constraint_lets_a_blocked_version_in(packages: dict[str, str], unknown: str) -> None:
    record = decided(facts("2.36", ("3.11.2",)), packages, unknown=unknown)
    for row in catalogue().rows.blocked:
        for version in catalogue().blocked_versions(row.package):
            assert not SpecifierSet(record["constraints"][row.package]).contains(version), (row, version)


@pytest.mark.parametrize(
    ("flags", "newest"),
    [
        (["fpu", "sse", "sse2", "ssse3", "sse4_1", "cx16", "lahf_lm"], "2.3"),
        (["sse4_1"], "2.3"),
        (V2, None),
        (["sse4_1", "avx"], None),
        (["avx", "avx2", "sse4_1"], None),
        *(([flag for flag in V2 if flag != missing], "2.3") for missing in ("popcnt", "sse4_2", "cx16")),
    ],
)
def test_numpy_follows_the_flags_of_the_cpu(flags: list[str], newest: str | None) -> None:
    host = {**facts("2.36", ("3.11.2",)), "cpu": {"flags": flags}}
    record = decided(host)
    pinned = Version(record["pins"]["numpy"])
    assert (pinned < Version("2.4")) is (newest is not None)
    assert ("cpu.instructions" in {reason["rule"] for reason in record["reasons"]}) is (newest is not None)
    assert newest is None or not SpecifierSet(record["constraints"]["numpy"]).contains("2.4.6")


@pytest.mark.parametrize("python", ["3.10.12", "3.11.2", "3.12.3", "3.13.5"])
def test_no_plan_for_aarch64_has_a_torchcodec_that_cannot_load(python: str) -> None:
    record = decided({**facts("2.41", (python,)), "machine": "aarch64", "cpu": {"flags": ["asimd"]}})
    assert (record["verdict"], record["device"]) == ("plan", "cpu")
    assert "torchcodec" not in record["pins"] and record["left_out"] == ["torchcodec"]
    assert any(note.endswith("[amend.torchcodec-aarch64]") for note in record["notes"])


def test_a_torchcodec_that_is_asked_for_gets_the_torch_it_needs() -> None:
    host = {**facts("2.41", ("3.12.3",)), "machine": "aarch64", "cpu": {"flags": ["asimd"]}}
    record = decided(host, {"torchcodec": "", "torch": ""})
    assert record["left_out"] == []
    assert Version(record["pins"]["torch"]) >= Version("2.11")
    assert decided(facts())["left_out"] == []


@pytest.mark.parametrize(
    ("capability", "driver", "packages"),
    [
        ("8.6", ("580.95.05", "13.0"), {"whisperx": ""}),
        ("6.1", ("580.95.05", "13.0"), {"whisperx": ""}),
        ("8.6", ("580.95.05", "13.0"), {"ctranslate2": ""}),
        ("8.6", ("580.95.05", "13.0"), {"torch": ">=2.11", "ctranslate2": ""}),
    ],
)
def test_pins_name_what_the_lock_will_hold(
    capability: str, driver: tuple[str, str], packages: dict[str, str]
) -> None:
    record = decided(with_gpu(facts("2.36", ("3.11.2",)), capability, driver), packages)
    assert record["device"] == "cuda"
    for line in record["requirements"]:
        name = line.partition("=")[0].partition(">")[0].partition("<")[0]
        if name in catalogue().packages:
            assert name in record["pins"], line
    assert "nvidia-cublas-cu12" in record["pins"] or record["torch_build"] not in (None, "cu128")
    for name, version in record["pins"].items():
        assert SpecifierSet(record["constraints"][name]).contains(version, prereleases=True)
        assert version in {release.text for release in catalogue().packages[name].releases}


def test_builds_of_torch_that_were_missing() -> None:
    series = catalogue().rows.series
    names = {key: {build.name for build in row.builds} for key, row in series.items()}
    assert "cu129" in names["2.8", "aarch64"] and {"cu129", "cu130"} <= names["2.9", "aarch64"]
    assert "cu129" in names["2.9", "x86_64"]
    for (number, machine), row in series.items():
        for build in row.builds:
            if build.name == "cu118":
                assert "3.7" in build.sass, (number, machine)
