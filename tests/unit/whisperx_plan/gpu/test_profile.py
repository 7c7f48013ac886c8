"""What a host's GPUs can run under its driver: machine code, PTX, floors, branches, builds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from module_utils.whisperx_plan.gpu.device_code import Code
from module_utils.whisperx_plan.gpu.driver_advice import advice, with_best_driver
from module_utils.whisperx_plan.gpu.profile import GpuProfile, profile_of
from module_utils.whisperx_plan.host import Host
from tests.unit.whisperx_catalogue.knowledge import catalogue
from tests.unit.whisperx_plan.hosts import facts, with_gpu

CAPABILITIES = ["5.2", "6.1", "7.0", "7.5", "8.0", "8.6", "8.9", "9.0", "10.0", "12.0", "12.1"]
DRIVERS = [("525.60.13", "12.0"), ("535.183.01", "12.2"), ("570.124.06", "12.8"), ("580.95.05", "13.0")]


def host(capability: str, driver: tuple[str, str] | None, **more: Any) -> Host:
    return Host.from_facts("h", {**with_gpu(facts(), capability, driver), **more})


def profile(capability: str, driver: tuple[str, str] | None) -> GpuProfile:
    return profile_of(host(capability, driver), catalogue())


@pytest.mark.parametrize(
    ("code", "capability", "how"),
    [
        (Code(("8.0",), (), None), (8, 0), "sass"),
        (Code(("8.0",), (), None), (8, 6), "sass"),
        (Code(("8.6",), (), None), (8, 0), None),
        (Code(("8.0",), (), None), (9, 0), None),
        (Code(("9.0a",), (), None), (9, 0), "sass"),
        (Code(("10.0a",), (), None), (10, 3), None),
        (Code(("8.0",), ("8.0",), None), (9, 0), "ptx"),
        (Code(("8.0",), ("9.0",), None), (8, 9), "sass"),
        (Code((), ("9.0a",), None), (9, 0), "ptx"),
        (Code((), ("9.0a",), None), (10, 0), None),
        (Code((), ("9.0",), None), (8, 9), None),
        (Code(("8.0",), ("8.0",), None), None, None),
    ],
)
def test_how_code_runs(code: Code, capability: tuple[int, ...] | None, how: str | None) -> None:
    assert code.runs(capability) == how


def test_hosts_with_the_same_gpus_and_driver_share_a_profile() -> None:
    one = profile_of(host("9.0", DRIVERS[0], os={"id": "debian", "version": "12"}), catalogue())
    other = profile_of(host("9.0", DRIVERS[0], pythons=[]), catalogue())
    assert one is other
    assert one is not profile("9.0", DRIVERS[1])
    assert one is not profile("8.9", DRIVERS[0])


@pytest.mark.parametrize(
    ("driver", "served"),
    [
        (("525.60.13", "12.0"), {11: True, 12: True, 13: False}),
        (("470.82.01", "11.4"), {11: True, 12: False, 13: False}),
        (("580.95.05", "13.0"), {11: True, 12: True, 13: True}),
    ],
)
def test_which_cuda_majors_a_driver_serves(driver: tuple[str, str], served: dict[int, bool]) -> None:
    found = profile("8.0", driver)
    assert {major: found.serves(major) for major in served} == served


def test_without_a_driver_nothing_is_known_of_cuda() -> None:
    found = profile("8.0", None)
    assert (found.cuda, found.isa, found.serves(12)) == (None, None, None)
    assert found.build(catalogue().packages["torch"].releases[-1]) is None


def test_the_window_of_branches_is_that_of_all_gpus() -> None:
    pascal, blackwell = profile("6.1", DRIVERS[-1]), profile("12.0", DRIVERS[-1])
    assert pascal.last_branch == 580 and blackwell.last_branch is None
    assert blackwell.first_branch is not None and blackwell.first_branch >= 570
    assert blackwell.modules == "open" and pascal.modules == "proprietary"
    mixed = with_gpu(facts(), "6.1", DRIVERS[-1])
    mixed["gpus"] = [*mixed["gpus"], {"name": "new", "compute_capability": "12.0"}]
    both = profile_of(Host.from_facts("h", mixed), catalogue())
    assert both.last_branch == 580 and both.first_branch == blackwell.first_branch
    assert both.modules is None
    assert advice(both, 570) == {"minimum": "570", "maximum": "580"}


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(CAPABILITIES), st.sampled_from(DRIVERS), st.integers(0, 200))
def test_a_build_runs_on_every_gpu_under_the_driver(
    capability: str, driver: tuple[str, str], place: int
) -> None:
    found = profile(capability, driver)
    releases = catalogue().packages["torch"].releases
    build = found.build(releases[place % len(releases)])
    if build is not None:
        assert build.cuda is not None and found.serves(build.cuda[0])
        code = Code(build.sass, build.ptx, None)
        assert found.uncovered(code) is None
        assert not found.compiled(code) or (found.cuda or ()) >= build.cuda[:2]
    cpu = found.build(releases[place % len(releases)], "cpu")
    assert cpu is None or cpu.cuda is None


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_the_best_driver_is_within_the_window(capability: str) -> None:
    bare = host(capability, None)
    found = profile_of(bare, catalogue())
    better = with_best_driver(bare, found)
    assert better is not None and better.driver.version is not None
    branch = better.driver.version[0]
    assert (found.first_branch or 0) <= branch <= (found.last_branch or branch)
    assert better.driver.state == "running"


def test_no_driver_helps_a_gpu_that_is_kept_for_virtual_machines() -> None:
    kept = host("9.0", None, gpus=[{"name": "H100", "compute_capability": "9.0", "driver": "vfio-pci"}])
    assert with_best_driver(kept, profile_of(kept, catalogue())) is None
