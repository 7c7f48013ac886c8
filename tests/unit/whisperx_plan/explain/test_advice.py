"""What a refusal tells of the driver: the branches to install, and the other way to a newer libcuda."""

from __future__ import annotations

from typing import Any

import pytest

from module_utils.whisperx_plan.decide import decide
from module_utils.whisperx_plan.model import Refusal, Request
from tests.unit.whisperx_catalogue.knowledge import catalogue
from tests.unit.whisperx_plan.hosts import facts, with_gpu

SAMPLE = (
    "ctranslate2 4.8.5 needs a driver >= 570 on an H100: its newest machine code is for 8.6, so the driver "
    "must compile PTX 8.7; found 535.183.01. Upgrade the driver to branch 570 or newer"
)


def answer(
    name: str, capability: str, driver: tuple[str, str] | None, packages: dict[str, str], device: str = "cuda"
) -> dict[str, Any]:
    host = with_gpu(facts("2.36", ("3.11.2",), ("debian", "12")), capability, driver)
    host["gpus"][0]["name"] = name
    return decide({"h": host}, Request.make(packages, "venv", device), catalogue()).hosts["h"]


def test_the_reason_chain_in_one_sentence():
    found = answer("NVIDIA H100", "9.0", ("535.183.01", "12.2"), {"whisperx": ""})
    first = found["reasons"][0]
    assert (found["pins"]["ctranslate2"], first["sentence"]) == ("4.6.0", SAMPLE + ", or use 4.6.0.")
    assert found["driver_advice"] == {"minimum": "570", "maximum": None}


def test_a_refusal_tells_both_ends_and_the_other_way():
    found = answer("NVIDIA H100", "9.0", ("535.183.01", "12.2"), {"ctranslate2": "==4.8.5"})
    assert found["verdict"] == "refused"
    assert found["reasons"][0]["sentence"] == SAMPLE + "."
    assert found["driver_advice"] == {"minimum": "570", "maximum": None}
    assert found["notes"] == [
        "Instead of the driver, an H100 can take a newer libcuda where NVIDIA supports it. It is in the "
        "package cuda-compat-12-8; then probe the host again. [driver.forward]"
    ]
    assert Refusal.from_record(found).record() == found


@pytest.mark.parametrize(
    ("name", "capability", "driver", "bounds", "forward"),
    [
        ("NVIDIA A100-SXM4-40GB", "8.0", ("470.82.01", "11.4"), ("525", None), True),
        ("NVIDIA GeForce RTX 3090", "8.6", ("470.82.01", "11.4"), ("525", None), False),
        ("NVIDIA GeForce GTX 1080", "6.1", ("470.82.01", "11.4"), ("525", "580"), False),
        ("Tesla P40", "6.1", ("470.82.01", "11.4"), ("525", "580"), True),
        ("Tesla K40", "3.5", ("470.82.01", "11.4"), (None, "470"), False),
        ("NVIDIA A100", "8.0", None, ("525", None), False),
    ],
)
def test_the_branches_of_a_refusal(name, capability, driver, bounds, forward):
    found = answer(name, capability, driver, {"whisperx": ""})
    assert found["verdict"] == "refused"
    assert tuple(found["driver_advice"].values()) == bounds
    assert bool([note for note in found["notes"] if "cuda-compat" in note]) == forward


def test_a_missing_driver_and_the_advice_name_one_branch():
    found = answer("NVIDIA H100", "9.0", None, {"whisperx": ""}, "auto")
    said = next(entry for entry in found["reasons"] if entry["rule"] == "driver.absent")
    (remedy,) = [entry for entry in found["remedies"] if entry["kind"] == "driver"]
    assert said["remedy"] == "Install driver branch 570 or newer."
    assert (remedy["branch"], found["driver_advice"]["minimum"]) == ("570", "570")


def test_a_host_without_a_gpu_and_a_jetson_get_no_advice():
    plain = decide({"h": facts()}, Request.make({"whisperx": ""}, "venv", "cuda"), catalogue()).hosts["h"]
    board = {**with_gpu(facts(), "8.7", None), "machine": "aarch64", "tegra": {"release": "36.4"}}
    jetson = decide({"h": board}, Request.make({"whisperx": ""}, "venv", "cuda"), catalogue()).hosts["h"]
    for found in (plain, jetson):
        assert found["verdict"] == "refused"
        assert found["driver_advice"] == {"minimum": None, "maximum": None}


def test_a_withdrawn_release_is_not_the_first_reason_of_a_refusal():
    found = answer("NVIDIA A100", "8.0", ("470.82.01", "11.4"), {"whisperx": ""})
    assert found["reasons"][0]["rule"] == "plan.requirement"
    assert "driver >= 525.60.13; found driver 470.82.01" in found["reasons"][0]["sentence"]
    assert "release.yanked" in {entry["rule"] for entry in found["reasons"]}


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_under_wsl2_the_driver_is_that_of_windows(device):
    base = {**facts("2.39", ("3.12.3",), ("ubuntu", "24.04")), "wsl": True}
    old = with_gpu(base, "8.9", ("516.94", "11.7"))
    request = Request.make({"whisperx": ""}, "venv", device)
    found = decide({"old": old, "blind": base}, request, catalogue()).hosts
    told = "WSL2 uses the NVIDIA driver of Windows: "
    for name, why in (("old", "the branch to install is"), ("blind", "without it no GPU is seen here")):
        (note,) = [note for note in found[name]["notes"] if note.endswith("[driver.wsl]")]
        assert note.startswith(told + why)
    (remedy,) = [entry for entry in found["old"]["remedies"] if entry["kind"] == "driver"]
    assert remedy["modules"] is None
    on_cpu = decide({"h": base}, Request.make({"whisperx": ""}, "venv", "cpu"), catalogue()).hosts["h"]
    assert not [note for note in on_cpu["notes"] if "WSL2" in note]


def test_int8_on_blackwell_is_a_note_with_its_id():
    found = answer("NVIDIA RTX 5090", "12.0", ("595.58.03", "13.2"), {"ctranslate2": "<4.7"})
    (note,) = [note for note in found["notes"] if note.endswith("[advise.int8-blackwell]")]
    assert "--compute_type float16" in note
    newest = answer("NVIDIA RTX 5090", "12.0", ("595.58.03", "13.2"), {"ctranslate2": ""})
    assert not [note for note in newest["notes"] if "advise." in note]


def test_an_aarch64_host_without_gpu_gets_no_cuda_of_a_newer_torch():
    host = {
        **facts("2.39", ("3.12.3",), ("ubuntu", "24.04")),
        "machine": "aarch64",
        "cpu": {"flags": ["asimd"]},
    }
    request = Request.make({"torch": ">=2.11"}, "venv")
    found = decide({"h": host}, request, catalogue()).hosts["h"]
    assert (found["torch_build"], found["default_torch_build"][:4]) == ("cpu", "cu13")
    assert not [line for line in found["requirements"] if "nvidia" in line]
