"""A remedy that a refusal names removes the refusal when it is applied to the facts or the request."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from module_utils.whisperx_plan.decide import decide
from module_utils.whisperx_plan.model import Request
from tests.unit.whisperx_catalogue.knowledge import catalogue
from tests.unit.whisperx_plan.hosts import facts
from tests.unit.whisperx_plan.test_hosts import HOSTS
from tests.unit.whisperx_plan.test_properties import asked, hosts, quick

REFUSED = [path for path in HOSTS if "--refused" in path.stem]


def applied(remedy: dict[str, Any], facts: dict[str, Any], request: dict[str, Any]) -> tuple[Any, Any]:
    """Return facts and request as they are once the remedy was followed, both steps where it has two."""
    kind = remedy["kind"]
    if "device" in remedy and kind != "device":
        request = {**request, "device": remedy["device"]}
    if kind == "python":
        path = f"/usr/bin/python{remedy['version']}"
        return {
            **facts,
            "pythons": [*facts["pythons"], {"path": path, "version": remedy["version"] + ".1"}],
        }, request
    if kind in ("repair", "tunable", "upgrade"):
        return facts, {**request, "remedies": [*request.get("remedies", []), kind]}
    if kind == "device":
        return facts, {**request, "device": remedy["device"]}
    if kind == "request":
        return facts, {**request, "packages": {**request["packages"], remedy["package"]: ""}}
    if kind in ("engine", "container"):
        engine = {"name": remedy["engine"], "cdi": ["nvidia.com/gpu"]}
        return {**facts, "container_engines": [engine]}, {**request, "runtime": "container"}
    if kind in ("toolkit", "cdi"):
        engines = [{**engine, "cdi": ["nvidia.com/gpu"]} for engine in facts["container_engines"]]
        return {**facts, "container_engines": engines, "cdi_problems": []}, request
    if kind == "base":
        return facts, {**request, "container_base": "", "container_facts": {}}
    if kind == "gpu":
        return {
            **facts,
            "gpus": [{**gpu, "mig": {"enabled": True, "instances": 1}} for gpu in facts["gpus"]],
        }, request
    assert kind == "driver"
    if "branch" not in remedy:
        driver = {"version": "580.95.05", "cuda": "13.0", "state": "running"}
    else:
        cuda = next(cuda for branch, cuda in catalogue().rows.branches if branch == int(remedy["branch"]))
        toolkit = [driver for made, driver in catalogue().rows.toolkits if driver[0] == int(remedy["branch"])]
        version = ".".join(str(part) for part in max(toolkit))
        driver = {"version": version, "cuda": ".".join(map(str, cuda)), "state": "running"}
    return {**facts, "nvidia_driver": driver}, request


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_each_remedy_helps(path):
    fixture = json.loads(path.read_text())
    request = {"packages": {"whisperx": ""}, **fixture.get("request", {})}
    record = decide({"h": fixture["facts"]}, Request.make(**request), catalogue()).hosts["h"]
    for remedy in record["remedies"]:
        if remedy["kind"] == "facts":
            continue
        facts, asked = applied(remedy, fixture["facts"], request)
        after = decide({"h": facts}, Request.make(**asked), catalogue()).hosts["h"]
        assert after["verdict"] == "plan", (remedy, after["reasons"][:2])


def test_the_driver_that_is_advised_gives_what_it_promises():
    for path in HOSTS:
        fixture = json.loads(path.read_text())
        request = {"packages": {"whisperx": ""}, **fixture.get("request", {})}
        record = decide({"h": fixture["facts"]}, Request.make(**request), catalogue()).hosts["h"]
        for remedy in record["remedies"]:
            if remedy["kind"] == "driver" and "gives" in remedy:
                facts, _ = applied(remedy, fixture["facts"], request)
                after = decide({"h": facts}, Request.make(**request), catalogue()).hosts["h"]
                assert after["device"] == "cuda", path.stem
                assert {name: after["pins"][name] for name in remedy["gives"]} == remedy["gives"], path.stem


@quick
@given(hosts(), asked, st.sampled_from(["auto", "cuda"]))
def test_every_refusal_has_a_remedy_and_it_helps(found, packages, device):
    request = {"packages": packages, "device": device, "runtime": "venv", "remedies": ["upgrade"]}
    record = decide({"h": found}, Request.make(**request), catalogue()).hosts["h"]
    if record["verdict"] == "plan":
        return
    assert record["reasons"]
    assert record["remedies"], record["reasons"]
    for remedy in record["remedies"]:
        better, asked_for = applied(remedy, found, request)
        after = decide({"h": better}, Request.make(**asked_for), catalogue()).hosts["h"]
        assert after["verdict"] == "plan", (remedy, after["reasons"][:2])


def test_what_an_allowed_remedy_cures_is_not_told_as_what_stands_in_the_way():
    found = facts(glibc="2.41", pythons=("3.13.5",))
    asked_for = {"ctranslate2": "==4.4.0"}
    allowed = Request.make(asked_for, interpreters=["system"])
    told = decide({"h": found}, allowed, catalogue()).hosts["h"]["reasons"]
    assert [reason["rule"] for reason in told] == ["wheel.python", "libc.execstack"]
    assert "whisperx_plan_remedies" not in told[1]["remedy"]
    forbidden = Request.make(asked_for, remedies=["upgrade"], interpreters=["system"])
    told = decide({"h": found}, forbidden, catalogue()).hosts["h"]["reasons"]
    assert [reason["rule"] for reason in told] == ["libc.execstack", "wheel.python"]
    assert "whisperx_plan_remedies" in told[0]["remedy"]
