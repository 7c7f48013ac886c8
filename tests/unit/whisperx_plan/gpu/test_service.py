"""Which GPUs a driver serves: generations at both ends of their windows, kernel modules, GPUs chosen."""

from __future__ import annotations

from typing import Any

import pytest

from module_utils.whisperx_common.gpu_vendors import vendor_of
from module_utils.whisperx_common.interpreters import foreign
from module_utils.whisperx_plan.decide import decide
from module_utils.whisperx_plan.gpu.service import branch_of, unserved
from module_utils.whisperx_plan.host import Driver, Host
from module_utils.whisperx_plan.model import Request
from module_utils.whisperx_plan.output.comparison import changes
from module_utils.whisperx_problem import Problem
from tests.unit.whisperx_catalogue.knowledge import catalogue
from tests.unit.whisperx_plan.hosts import facts, with_gpu

ROWS = catalogue().rows
BRANCHES = [branch for branch, _ in ROWS.branches]
WINDOWS = {(row.name, row.first): row for row in ROWS.generations}


def decided(host: dict[str, Any], **request: Any) -> dict[str, Any]:
    return dict(decide({"h": host}, Request.make({"whisperx": ""}, **request), catalogue()).hosts["h"])


def gpu(capability: str, name: str = "NVIDIA GPU", **more: Any) -> dict[str, Any]:
    return {"name": name, "compute_capability": capability, "driver": "nvidia", **more}


@pytest.mark.parametrize("row", WINDOWS.values(), ids=lambda row: f"{row.name}-{row.first[0]}.{row.first[1]}")
def test_a_generation_is_served_from_its_first_to_its_last_branch(row: Any) -> None:
    capability = ".".join(map(str, row.first))
    for branch in BRANCHES:
        host = Host.from_facts("h", with_gpu(facts(), capability, (f"{branch}.1", "")))
        served = row.first_branch <= branch and (row.last_branch is None or branch <= row.last_branch)
        assert bool(unserved(host, ROWS)) is not served, branch


@pytest.mark.parametrize("row", WINDOWS.values(), ids=lambda row: f"{row.name}-{row.first[0]}.{row.first[1]}")
def test_outside_of_the_window_no_plan_is_for_the_gpu(row: Any) -> None:
    capability = ".".join(map(str, row.first))
    older = [branch for branch in BRANCHES if branch < row.first_branch][-1:]
    newer = [branch for branch in BRANCHES if row.last_branch is not None and branch > row.last_branch][:1]
    for branch in older + newer:
        for state in ("running", "unusable"):
            host = with_gpu(facts("2.36", ("3.11.2",)), capability, (f"{branch}.10", ""))
            host["nvidia_driver"]["state"] = state
            found = decided(host)
            assert (found["verdict"], found["device"]) == ("plan", "cpu")
            first = found["reasons"][0]
            assert first["rule"] == "driver.window" and row.name in first["sentence"]
            assert str(row.last_branch or row.first_branch) in first["sentence"]
            refused = decided(host, device="cuda")
            assert (refused["verdict"], refused["reasons"][0]["rule"]) == ("refused", "driver.window")


@pytest.mark.parametrize(
    ("capability", "is_open", "wsl", "rule"),
    [
        ("12.0", False, False, "driver.modules"),
        ("12.0", True, False, None),
        ("12.0", None, False, None),
        ("12.0", False, True, None),
        ("6.1", True, False, "driver.modules"),
        ("6.1", False, False, None),
        ("8.6", True, False, None),
        ("8.6", False, False, None),
    ],
)
def test_the_kind_of_kernel_modules(capability: str, is_open: Any, wsl: bool, rule: str | None) -> None:
    host = with_gpu(facts("2.36", ("3.11.2",)), capability, ("580.95.05", "13.0"))
    host["nvidia_driver"]["open"] = is_open
    found = decided({**host, "wsl": wsl})
    rules = [reason["rule"] for reason in found["reasons"]]
    assert ("driver.modules" in rules) is (rule is not None)
    assert found["device"] == ("cpu" if rule else "cuda")


@pytest.mark.parametrize(
    ("version", "cuda", "branch"),
    [
        ("580.95.05", None, 580),
        ("581.80", None, 580),
        ("572.16", None, 570),
        (None, "13.2", 595),
        (None, None, None),
    ],
)
def test_the_branch_of_a_driver(version: str | None, cuda: str | None, branch: int | None) -> None:
    def parts(text: str | None) -> tuple[int, ...] | None:
        return tuple(map(int, text.split("."))) if text else None

    assert branch_of(Driver(parts(version), parts(cuda), "running"), ROWS) == branch


def test_a_driver_that_leaves_one_of_two_gpus_out() -> None:
    host = {**facts("2.36", ("3.11.2",)), "gpus": [gpu("6.1", "Tesla P40"), gpu("8.6", "NVIDIA A10")]}
    host["nvidia_driver"] = {"version": "595.58.03", "cuda": "13.2", "state": "running"}
    found = decided(host)
    assert (found["device"], found["torch_build"]) == ("cuda", "cu128")
    assert found["reasons"][0]["rule"] == "driver.window" and "P40" in found["reasons"][0]["sentence"]
    # What CUDA does not show has no number there.
    assert decided(host, gpus=["A10"])["environment"]["CUDA_VISIBLE_DEVICES"] == "0"


def test_a_lost_gpu_breaks_a_host_in_the_comparison() -> None:
    request = Request.make({"whisperx": ""})
    before, after = (
        decide({"h": with_gpu(facts("2.36", ("3.11.2",)), "6.1", driver)}, request, catalogue())
        for driver in (("580.95.05", "13.0"), ("595.58.03", "13.2"))
    )
    old = {**before.hosts["h"], "reason": "", "said": frozenset()}
    assert [entry["host"] for entry in changes({"h": old}, after)["breaks"]] == ["h"]
    back = {**after.hosts["h"], "reason": "x", "said": frozenset()}
    assert [entry["host"] for entry in changes({"h": back}, before)["cured"]] == ["h"]


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"compute_mode": "Prohibited"}, "gpu.prohibited"),
        ({"licensed": False}, "gpu.licence"),
        ({"mig": {"enabled": True, "instances": 0}}, "gpu.mig"),
    ],
)
def test_a_gpu_that_the_driver_shows_and_cuda_does_not(more: dict[str, Any], rule: str) -> None:
    host = {
        **with_gpu(facts("2.36", ("3.11.2",)), "8.6", ("580.95.05", "13.0")),
        "gpus": [gpu("8.6", **more)],
    }
    found = decided(host)
    assert (found["verdict"], found["reasons"][0]["rule"]) == ("refused", rule)
    assert {remedy["kind"] for remedy in found["remedies"]} == {"gpu", "device"}
    assert decided({**host, "gpus": [gpu("8.6", **more), gpu("8.6")]})["device"] == "cuda"


@pytest.mark.parametrize("mode", ["Exclusive_Process", "exclusive-thread", "Default", None])
def test_an_exclusive_gpu_is_planned_with_a_note(mode: str | None) -> None:
    host = with_gpu(facts("2.36", ("3.11.2",)), "8.6", ("580.95.05", "13.0"))
    found = decided({**host, "gpus": [gpu("8.6", compute_mode=mode)]})
    noted = any(note.endswith("[gpu.exclusive]") for note in found["notes"])
    assert (found["device"], noted) == ("cuda", bool(mode and mode != "Default"))


@pytest.mark.parametrize(
    ("described", "told"),
    [
        ({"name": "AMD Radeon VII", "pci_id": "1002:66af"}, "AMD Radeon VII"),
        ({"name": "Instinct MI300X", "vendor": "amd"}, "AMD Instinct MI300X"),
        ({"name": "Radeon RX 7900 XTX"}, "AMD Radeon RX 7900 XTX"),
        ({"name": "Arc A770", "pci_id": "8086:56a0"}, "Intel Arc A770"),
        ({"name": "Gaudi 3", "pci_id": "1da3:1060"}, "Habana Labs Gaudi 3"),
        ({"name": "MTT S80", "pci_id": "1ed5:0200"}, "Moore Threads MTT S80"),
    ],
)
@pytest.mark.parametrize("state", ["absent", "unusable", "running"])
def test_gpus_of_other_vendors_get_no_driver_of_nvidia(
    described: dict[str, Any], told: str, state: str
) -> None:
    host = {**facts("2.36", ("3.11.2",)), "gpus": [described], "nvidia_driver": {"state": state}}
    found = decided(host)
    first = found["reasons"][0]
    assert (found["device"], first["rule"]) == ("cpu", "gpu.vendor") and told in first["sentence"]
    assert found["driver_advice"] == {"minimum": None, "maximum": None}
    assert not any(reason["rule"].startswith("driver.") for reason in found["reasons"])
    assert sum("gpu.vendor" in (reason["rule"]) for reason in found["reasons"]) == 1
    beside = with_gpu(facts("2.36", ("3.11.2",)), "8.6", ("580.95.05", "13.0"))
    both = decided({**beside, "gpus": [*beside["gpus"], described]})
    assert both["device"] == "cuda" and sum("[gpu.vendor]" in note for note in both["notes"]) == 1


def test_what_is_known_of_a_vendor() -> None:
    assert vendor_of("10de:2330") == "nvidia" and vendor_of("0x1002:744c") == "amd"
    assert vendor_of("", "NVIDIA GeForce RTX 3060") == "" and vendor_of("1234:1111", "") == "pci-1234"


@pytest.mark.parametrize(
    ("path", "implementation", "free", "told"),
    [
        ("/usr/bin/python3.13", None, False, ""),
        ("/usr/bin/python3.13", "cpython", False, ""),
        ("/usr/bin/python3.14", None, True, "a free-threaded CPython"),
        ("/usr/local/bin/python3.14t", None, False, "a free-threaded CPython"),
        (
            "/opt/uv/cpython-3.14.0+freethreaded-linux-x86_64-gnu/bin/python3.14",
            None,
            False,
            "a free-threaded CPython",
        ),
        ("/home/ann/.pyenv/versions/3.13.0t/bin/python3.13", None, False, "a free-threaded CPython"),
        ("/usr/bin/pypy3.11", None, False, "PyPy"),
        ("/opt/pypy3.11-v7.3.20-linux64/bin/python3.11", None, False, "PyPy"),
        ("/usr/bin/python3.11", "pypy", False, "PyPy"),
        ("/opt/graalpy-24.2/bin/python3.11", None, False, "GraalPy"),
    ],
)
def test_interpreters_that_wheels_are_not_made_for(
    path: str, implementation: Any, free: bool, told: str
) -> None:
    assert foreign(path, implementation, free) == told
    python = {"path": path, "version": "3.13.5", "implementation": implementation, "free_threaded": free}
    found = decided({**facts(), "pythons": [python]}, interpreters=["system"])
    rules = {reason["rule"] for reason in found["reasons"]}
    assert (found["verdict"] == "refused" and "python.foreign" in rules) is bool(told)


@pytest.mark.parametrize("gpus", [{"a": 1}, [True], [""], [1.5], 1.5, ["x", None]])
def test_what_is_no_choice_of_gpus(gpus: Any) -> None:
    with pytest.raises(Problem) as caught:
        Request.make({"whisperx": ""}, gpus=gpus)
    assert caught.value.rule == "request.gpus"


@pytest.mark.parametrize(
    ("system", "path", "refused"),
    [
        ("nixos", "/run/current-system/sw/bin/python3.13", True),
        ("guix", "/gnu/store/abc-python-3.13/bin/python3.13", True),
        ("debian", "/nix/store/abc-python-3.13/bin/python3.13", True),
        ("debian", "/usr/bin/python3.13", False),
    ],
)
def test_hosts_outside_of_the_usual_layout(system: str, path: str, refused: bool) -> None:
    host = {**facts(), "os": {"id": system}, "pythons": [{"path": path, "version": "3.13.5"}]}
    found = decided(host, runtime="venv", interpreters=["system"])
    assert (found["verdict"] == "refused") is refused
    assert not refused or found["reasons"][0]["rule"] == "libc.layout"
    assert not refused or "container" in {remedy["kind"] for remedy in found["remedies"]}
