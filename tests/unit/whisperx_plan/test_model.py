"""Facts and requests: what is read from them, what is complained about, and that plain data survives JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from module_utils.whisperx_plan.decide import decide
from module_utils.whisperx_plan.model import Host, Plan, Refusal, Request
from module_utils.whisperx_plan.requests import requests_by_host
from module_utils.whisperx_problem import Problem
from tests.unit.whisperx_catalogue.knowledge import catalogue
from tests.unit.whisperx_plan.hosts import facts, with_gpu


def complaint(function: Any, *arguments: Any, **options: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        function(*arguments, **options)
    return caught.value


class TestFacts:
    def test_equal_hosts_differ_in_their_name_only(self):
        assert Host.from_facts("a", facts()) == Host.from_facts("b", {**facts(), "kernel": {"release": "6"}})
        assert Host.from_facts("a", facts()) != Host.from_facts("a", facts("2.36"))

    def test_a_missing_key_is_absent(self):
        host = Host.from_facts("a", {})
        assert (host.libc_version, host.pythons, host.driver.state, host.cpu_flags) == (
            None,
            (),
            "absent",
            None,
        )

    def test_what_a_distribution_appends_to_a_version_does_not_count(self):
        assert Host.from_facts("a", facts("2.36-9+deb12u3")).libc_version == (2, 36)

    @pytest.mark.parametrize(
        ("broken", "field"),
        [
            ({"libc": {"family": "glibc", "version": "new"}}, "libc.version"),
            ({"libc": {"family": "glibc", "version": 2.4}}, "libc.version"),
            ({"libc": {"family": "bionic", "version": "1"}}, "libc.family"),
            ({"libc": "glibc"}, "libc"),
            ({"machine": ["x86_64"]}, "machine"),
            ({"cpu": {"flags": "avx"}}, "cpu.flags"),
            ({"cpu": {"flags": [1]}}, "cpu.flags"),
            ({"pythons": {"path": "/x"}}, "pythons"),
            ({"pythons": [{"path": "/x"}]}, "pythons[0].version"),
            ({"pythons": [{"version": "3.11.2"}]}, "pythons[0].path"),
            ({"pythons": [{"path": "/x", "version": "3"}]}, "pythons[0].version"),
            ({"pythons": [{"path": "/x", "version": "3.11", "shared": "yes"}]}, "pythons[0].shared"),
            ({"gpus": [{"compute_capability": "90"}]}, "gpus[0].compute_capability"),
            ({"gpus": ["H100"]}, "gpus[0]"),
            ({"gpus": [{"mig": {"enabled": 1}}]}, "gpus[0].mig.enabled"),
            ({"gpus": [{"mig": {"instances": -1}}]}, "gpus[0].mig.instances"),
            ({"nvidia_driver": {"state": "broken"}}, "nvidia_driver.state"),
            ({"nvidia_driver": {"version": "R570"}}, "nvidia_driver.version"),
            ({"ffmpeg": {"libavutil": ["59"]}}, "ffmpeg.libavutil"),
            ({"selinux": "on"}, "selinux"),
            ({"wsl": "no"}, "wsl"),
        ],
    )  # fmt: skip
    def test_a_malformed_fact_is_told_by_host_and_field(self, broken, field):
        problem = complaint(Host.from_facts, "db1", {**facts(), **broken})
        assert problem.rule == "facts.malformed"
        assert problem.where == f"host db1, field {field}"

    def test_a_fraction_is_told_to_be_quoted(self):
        problem = complaint(Host.from_facts, "db1", {"libc": {"family": "glibc", "version": 2.40}})
        assert "in quotes" in problem.wanted

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.dictionaries(
            st.sampled_from(
                [*facts(), "gpus", "nvidia_driver", "tegra", "ffmpeg", "container_engines", "wsl"]
            ),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(
                        st.sampled_from(["version", "path", "family", "name", "flags"]), inner, max_size=3
                    )
                ),
                max_leaves=6,
            ),
        )
    )
    def test_no_facts_make_a_traceback(self, found):
        record = decide({"h": found}, Request.make({"ctranslate2": ""}), catalogue()).hosts["h"]
        assert record["verdict"] in ("plan", "refused")


class TestRequest:
    @pytest.mark.parametrize(
        ("options", "rule"),
        [
            ({"packages": {}}, "request.packages"),
            ({"packages": None}, "request.packages"),
            ({"packages": ["whisperx"]}, "request.packages"),
            ({"packages": {3: ""}}, "request.packages"),
            ({"packages": {"a_b": "", "A-B": ""}}, "request.packages"),
            ({"packages": {"whisperx": "3.8.6"}}, "request.malformed-specifier"),
            ({"packages": {"whisperx": 3.8}}, "request.malformed-specifier"),
            ({"packages": {"whisperx": "=>3"}}, "request.malformed-specifier"),
            ({"packages": {"whisperx": ""}, "device": "gpu"}, "request.device"),
            ({"packages": {"whisperx": ""}, "runtime": "docker"}, "request.runtime"),
            ({"packages": {"whisperx": ""}, "remedies": ["pray"]}, "request.remedies"),
            ({"packages": {"whisperx": ""}, "unknown": "hope"}, "request.unknown"),
        ],
    )
    def test_what_cannot_be_asked_for(self, options, rule):
        assert complaint(Request.make, **options).rule == rule

    def test_a_bare_version_is_told_how_to_write(self):
        assert "'==3.8.6'" in complaint(Request.make, {"whisperx": "3.8.6"}).remedy

    def test_names_are_normalised_and_null_is_any(self):
        assert dict(Request.make({"Faster_Whisper": None}).packages) == {"faster-whisper": ""}

    def test_an_unknown_package_is_told_with_those_that_come_close(self):
        found = decide({"h": facts()}, Request.make({"whisper-x": ""}), catalogue()).hosts["h"]
        assert [reason["rule"] for reason in found["reasons"]] == ["request.unknown-package"]
        assert "whisperx" in found["reasons"][0]["remedy"]

    def test_hosts_may_ask_for_different_things(self):
        base = Request.make({"whisperx": ""}).record()
        overrides = {"packages": {"b": {"ctranslate2": ""}}, "device": {"c": "cpu"}}
        found = {
            tuple(names): request
            for request, names in requests_by_host(["a", "b", "c", "d"], base, overrides)
        }
        assert set(found) == {("a", "d"), ("b",), ("c",)}
        assert found["b",].packages == {"ctranslate2": ""}
        assert (
            complaint(lambda: list(requests_by_host(["a"], base, {"colour": {}}))).rule == "request.override"
        )

    def test_a_root_becomes_its_name_and_facts(self):
        base = {"packages": {"ctranslate2": ""}, "runtime": "auto", "container_root": "/srv/trixie.tar"}
        own = {"container_facts": {"b": {"machine": "aarch64"}}, "runtime": {"c": "venv"}}
        found = {
            tuple(names): request
            for request, names in requests_by_host(
                ["a", "b", "c"], base, own, lambda root: {"root": root, "machine": "x86_64"}
            )
        }
        first, second, third = found["a",], found["b",], found["c",]
        assert first.container_base == "trixie.tar"
        assert first.container_facts == {"root": "/srv/trixie.tar", "machine": "x86_64"}
        assert second.container_facts["machine"] == "aarch64"
        assert (third.container_base, third.container_facts) == ("", {})


def test_plain_data_survives_json():
    fleet = {
        "cpu": facts(),
        "gpu": with_gpu(facts("2.34", ("3.11.9",)), "9.0", ("535.183.01", "12.2")),
        "no": {},
    }
    request = Request.make({"whisperx": ">=3.7"}, device="auto", remedies=["repair"], unknown="gate")
    assert Request.from_record(json.loads(json.dumps(request.record()))) == request
    for record in decide(fleet, request, catalogue()).hosts.values():
        again = json.loads(json.dumps(record))
        assert again == record
        kind = Plan if record["verdict"] == "plan" else Refusal
        assert kind.from_record(again).record() == record
