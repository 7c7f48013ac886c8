"""Plans for containers: the base takes the place of the host's C library and Pythons, and of nothing else."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from module_utils.whisperx_plan.decide import decide
from module_utils.whisperx_plan.model import Plan, Request
from module_utils.whisperx_problem import Problem
from tests.unit.whisperx_catalogue.knowledge import catalogue
from tests.unit.whisperx_plan.hosts import facts, with_gpu

PODMAN = [{"name": "podman", "version": "5.4.2", "cdi": ["nvidia.com/gpu"]}]
DOCKER = [{"name": "docker", "version": "28.2.2", "cdi": ["nvidia.com/gpu"]}]
L4 = ("8.9", ("570.124.06", "12.8"))
HOSTS: dict[str, dict[str, Any]] = {
    "old": facts("2.31", ("3.9.2",), container_engines=PODMAN),
    "new": facts("2.43", ("3.14.0",), container_engines=DOCKER),
    "musl": {**facts(container_engines=PODMAN), "libc": {"family": "musl", "version": "1.2"}},
    "bare": facts("2.28", (), container_engines=PODMAN),
    "gpu": with_gpu(facts("2.31", ("3.9.2",), container_engines=PODMAN), *L4),
    "gpu-docker": with_gpu(facts("2.43", ("3.14.0",), container_engines=DOCKER), *L4),
}
TRIXIE = {
    "os": {"id": "debian", "version": "13"},
    "libc": {"family": "glibc", "version": "2.41"},
    "pythons": [{"path": "/usr/bin/python3.13", "version": "3.13.5"}],
}
asked = st.sampled_from(
    [{"whisperx": ""}, {"ctranslate2": ""}, {"whisperx": "==3.4.5"}, {"whisperx": ">=3.7"}]
)


def decided(hosts: dict[str, Any], packages: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    request = Request.make(packages or {"whisperx": ""}, **more)
    return dict(decide(hosts, request, catalogue()).hosts)


def test_hosts_with_nothing_in_common_but_their_hardware_share_a_class_and_its_image():
    found = decided(HOSTS, runtime="container")
    assert {record["verdict"] for record in found.values()} == {"plan"}
    assert len({found[name]["class"] for name in ("old", "new", "musl", "bare")}) == 1
    assert found["gpu"]["class"] == found["gpu-docker"]["class"] != found["old"]["class"]
    assert [found[name]["container"]["engine"] for name in ("gpu", "gpu-docker")] == ["podman", "docker"]
    assert [found[name]["container"]["gpu"] for name in ("gpu", "gpu-docker", "old")] == [
        "cdi", "device_request", None,
    ]  # fmt: skip
    classes = decide(HOSTS, Request.make({"whisperx": ""}, runtime="container"), catalogue()).classes
    assert all({"engine", "gpu"}.isdisjoint(record["container"]) for record in classes.values())


def test_each_base_is_a_class_of_its_own():
    default = decided(HOSTS, runtime="container")["old"]
    named = decided(HOSTS, runtime="container", container_base="trixie.tar", container_facts=TRIXIE)["old"]
    other = decided(HOSTS, runtime="container", container_base="other.tar", container_facts=TRIXIE)["old"]
    venv = decided({"h": facts(container_engines=PODMAN)})["h"]
    assert len({record["class"] for record in (default, named, other, venv)}) == 4
    assert named["pins"] == venv["pins"]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(HOSTS)), asked)
def test_a_container_gets_what_a_host_like_its_base_gets(name, packages):
    host = HOSTS[name]
    inside = decided({"h": {**host, **TRIXIE}}, packages, runtime="venv", interpreters=["system"])["h"]
    image = decided(
        {"h": host}, packages, runtime="container", container_base="trixie.tar", container_facts=TRIXIE
    )["h"]
    assert image["verdict"] == inside["verdict"]
    if inside["verdict"] == "plan":
        for key in ("pins", "constraints", "requirements", "environment", "repairs", "device", "python_path"):
            assert image[key] == inside[key]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(HOSTS)), asked)
def test_auto_takes_a_venv_where_there_is_one_and_refuses_only_where_both_do(name, packages):
    found = {
        runtime: decided({"h": HOSTS[name]}, packages, runtime=runtime)["h"]
        for runtime in ("auto", "venv", "container")
    }
    if found["venv"]["verdict"] == "plan":
        assert found["auto"] == found["venv"]
    else:
        assert found["auto"]["verdict"] == found["container"]["verdict"]
        assert found["auto"]["class"] == found["container"]["class"]


def test_a_plan_of_auto_says_first_why_it_came_to_a_container():
    record = decided({"h": HOSTS["musl"]})["h"]
    refused = decided({"h": HOSTS["musl"]}, runtime="venv")["h"]
    assert record["runtime"] == "container"
    assert record["reasons"][: len(refused["reasons"])] == refused["reasons"]
    assert "container" in {remedy["kind"] for remedy in refused["remedies"]}


def test_the_image_needs_no_newer_driver_than_what_is_in_it():
    """ctranslate2 4.6.0 has PTX alone for Hopper, of a CUDA that driver 535 knows."""
    hopper = with_gpu(facts("2.31", ("3.9.2",), container_engines=PODMAN), "9.0", ("570.124.06", "12.8"))
    older = decided({"h": hopper}, {"ctranslate2": "==4.6.0"}, runtime="container")["h"]["container"]
    newer = decided({"h": hopper}, {"ctranslate2": "==4.8.5"}, runtime="container")["h"]["container"]
    assert int(older["driver_minimum"]) < int(newer["driver_minimum"])
    assert decided(HOSTS, runtime="container")["old"]["container"]["driver_minimum"] is None


def test_a_base_that_nobody_knows_has_to_be_described():
    with pytest.raises(Problem) as caught:
        decided({"h": facts()}, container_base="registry.example.org/mine:1")
    assert caught.value.rule == "request.container-base"
    assert "whisperx_plan_container_facts" in caught.value.remedy
    with pytest.raises(Problem) as caught:
        Request.make({"whisperx": ""}, container_facts="debian")
    assert caught.value.rule == "request.container-facts"


def test_a_known_base_may_carry_a_digest():
    pinned = "docker.io/library/python:3.12-slim-bookworm@sha256:" + "1" * 64
    record = decided({"h": HOSTS["new"]}, container_base=pinned, interpreters=["system"])["h"]
    assert (record["container"]["base"], record["python"]) == (pinned, "3.12")


def test_the_default_base_is_pinned_and_sentences_name_it_plainly():
    base = decided({"h": HOSTS["new"]}, runtime="container")["h"]["container"]["base"]
    assert re.fullmatch(r"docker\.io/library/python:3\.12-slim-bookworm@sha256:[0-9a-f]{64}", base)
    musl = {**facts(), "libc": {"family": "musl", "version": "1.2.5"}}
    (remedy,) = decided({"h": musl})["h"]["remedies"]
    assert remedy["base"] == base and "@" not in remedy["sentence"]


def test_a_plan_for_a_container_survives_json():
    record = decided({"h": HOSTS["gpu"]}, runtime="container")["h"]
    assert Plan.from_record(record).record() == record
