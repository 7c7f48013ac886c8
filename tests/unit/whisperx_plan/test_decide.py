"""The decision on fleets: sharing, stability of classes, scale; and the lines and the document made of it."""

from __future__ import annotations

import json

import pytest
from packaging.version import Version

from module_utils.whisperx_catalogue.catalogue import load
from module_utils.whisperx_plan import decide as decide_module
from module_utils.whisperx_plan.decide import decide
from module_utils.whisperx_plan.model import Request
from module_utils.whisperx_plan.output.document import document, render, table
from tests.unit.whisperx_catalogue.knowledge import DAY, catalogue, copy_until
from tests.unit.whisperx_plan.hosts import facts, with_gpu

WHISPERX = Request.make({"whisperx": ""})
T4 = with_gpu(facts("2.35", ("3.10.12",)), "7.5", ("535.183.01", "12.2"))


def test_a_malformed_host_is_refused_alone():
    decision = decide({"good": facts(), "bad": {"libc": 7}}, WHISPERX, catalogue())
    assert decision.hosts["good"]["verdict"] == "plan"
    bad = decision.hosts["bad"]
    assert (bad["verdict"], bad["reasons"][0]["rule"]) == ("refused", "facts.malformed")
    assert "host bad, field libc" in bad["reasons"][0]["sentence"]


def test_drivers_that_make_no_difference_share_a_class():
    newer = with_gpu(facts("2.35", ("3.10.12",)), "7.5", ("550.54.15", "12.4"))
    decision = decide({"a": T4, "b": newer}, WHISPERX, catalogue())
    assert decision.hosts["a"]["class"] == decision.hosts["b"]["class"]
    assert list(decision.classes) == [decision.hosts["a"]["class"]]


def test_drivers_that_make_a_difference_do_not():
    hopper = [
        with_gpu(facts("2.35", ("3.10.12",)), "9.0", driver)
        for driver in (("535.1", "12.2"), ("550.1", "12.4"))
    ]
    decision = decide(dict(zip("ab", hopper, strict=True)), WHISPERX, catalogue())
    assert decision.hosts["a"]["pins"]["ctranslate2"] < decision.hosts["b"]["pins"]["ctranslate2"]
    assert len(decision.classes) == 2


def test_a_patch_release_that_a_package_leaves_out_is_a_class_of_its_own():
    request = Request.make({"torchvision": ""})
    hosts = {patch: facts("2.43", (f"3.14.{patch}",)) for patch in ("0", "1", "2")}
    found = decide(hosts, request, catalogue()).hosts
    assert found["0"]["class"] == found["2"]["class"] != found["1"]["class"]
    assert found["0"]["constraints"] != found["1"]["constraints"]


def test_the_name_of_a_class_says_what_it_is():
    name = decide({"a": T4}, WHISPERX, catalogue()).hosts["a"]["class"]
    assert name.startswith("x86_64-glibc2.35-cp310-cu128-")
    assert (
        decide({"a": facts()}, Request.make({"ctranslate2": ""}), catalogue())
        .hosts["a"]["class"]
        .startswith("x86_64-glibc2.41-cp313-cpu-")
    )


def test_the_interpreters_path_is_the_hosts_own():
    there = {**facts(), "pythons": [{"path": "/opt/py/bin/python3.13", "version": "3.13.5"}]}
    decision = decide({"a": facts(), "b": there}, WHISPERX, catalogue())
    assert decision.hosts["a"]["class"] == decision.hosts["b"]["class"]
    assert decision.hosts["b"]["python_path"] == "/opt/py/bin/python3.13"
    assert "python_path" not in decision.classes[decision.hosts["a"]["class"]]


@pytest.mark.parametrize("host", [facts(), T4], ids=["cpu", "gpu"])
def test_a_newer_release_upstream_keeps_the_class(tmp_path, host):
    folder = copy_until(DAY, tmp_path / "catalogue")
    before = decide({"h": host}, WHISPERX, load(folder)).hosts["h"]
    for name, version in (("ctranslate2", "4.9.0"), ("numpy", "2.9.0")):
        file = folder / "packages" / f"{name}.json"
        data = json.loads(file.read_text())
        newest = data["releases"][-1]
        wheels = [
            {**row, "file": row["file"].replace(newest["version"], version)} for row in newest["wheels"]
        ]
        data["releases"].append({**newest, "version": version, "wheels": wheels})
        file.write_text(json.dumps(data))
    after = decide({"h": host}, WHISPERX, load(folder)).hosts["h"]
    assert (before["pins"]["ctranslate2"], after["pins"]["ctranslate2"]) == ("4.8.5", "4.9.0")
    assert after["class"] == before["class"]


RELEASES = [
    release.text
    for release in catalogue().packages["whisperx"].releases
    if release.yanked is None and release.text >= "3.3" and not release.version.is_prerelease
]


@pytest.mark.parametrize("version", RELEASES)
def test_every_whisperx_release_gets_a_set_that_fits_together(version):
    record = decide(
        {"h": facts("2.36", ("3.11.2",))}, Request.make({"whisperx": f"=={version}"}), catalogue()
    ).hosts["h"]
    assert record["verdict"] == "plan", record["reasons"][:2]
    pins = {name: Version(text) for name, text in record["pins"].items()}
    assert pins["torch"].release[:2] == pins["torchaudio"].release[:2]
    if pins["pyannote-audio"] < Version("4"):
        assert pins["lightning"] < Version("2.6")
        assert pins["torchaudio"] < Version("2.9")
        assert pins["huggingface-hub"] < Version("1")
    if pins["faster-whisper"] < Version("1.2.1"):
        assert "requests" in record["requirements"]
    if "torchcodec" in pins:
        assert pins["torchcodec"] < Version("0.8")


def fleet(size: int) -> dict[str, dict]:
    """Return hosts of 50 kinds whose unimportant facts differ."""
    bases = [
        ("2.31", ("3.9.2", "3.11.4")),
        ("2.36", ("3.11.2",)),
        ("2.41", ("3.13.5",)),
        ("2.35", ("3.10.12",)),
        ("2.39", ("3.12.3",)),
        ("2.43", ("3.14.0", "3.13.1")),
        ("2.34", ("3.9.18", "3.12.1")),
    ]
    gpus = [
        None,
        ("9.0", ("535.183.01", "12.2")),
        ("9.0", ("570.124.06", "12.8")),
        ("7.5", ("535.183.01", "12.2")),
        ("6.1", ("580.65.06", "13.0")),
        ("8.0", None),
        ("8.9", ("470.82.01", "11.4")),
        ("12.0", ("595.58.03", "13.2")),
    ]
    kinds = [facts(*base) if gpu is None else with_gpu(facts(*base), *gpu) for base in bases for gpu in gpus][
        :50
    ]
    return {
        f"host{number}": {
            **kinds[number % len(kinds)],
            "kernel": {"release": f"6.1.{number}"},
            "cpu": {"flags": ["sse4_1", "avx", f"x{number % 97}"]},
        }
        for number in range(size)
    }


def test_each_kind_of_host_is_decided_once(monkeypatch):
    """A further host of a known kind is not judged; what 10,000 hosts cost is told by `make bench`."""
    judged = []
    judge = decide_module.judge

    def counting(host, *rest):
        judged.append(host)
        return judge(host, *rest)

    monkeypatch.setattr(decide_module, "judge", counting)
    decision = decide(fleet(1_000), WHISPERX, catalogue())
    assert len(decision.hosts) == 1_000
    assert len(judged) == 50


class TestDocument:
    def test_the_table_has_a_line_per_host(self):
        lines = table(decide({"cpu": facts(), "gpu": T4, "none": {}}, WHISPERX, catalogue()))
        assert lines[0].split() == ["host", "verdict", "device", "python", "versions", "why"]
        assert len(lines) == 4
        assert "cuda (cu128)" in next(line for line in lines if line.startswith("gpu"))
        assert "refused" in next(line for line in lines if line.startswith("none"))

    def test_a_gpu_left_aside_is_told(self):
        lines = table(decide({"h": with_gpu(facts(), "5.2", ("580.1", "13.0"))}, WHISPERX, catalogue()))
        assert "has no code for" in lines[1]

    def test_the_document_is_that_of_the_contract(self):
        decision = decide({"b": T4, "a": facts()}, WHISPERX, catalogue())
        whole = document(decision)
        assert whole["schema"] == 1
        assert json.loads(render(decision)) == json.loads(json.dumps(whole))
        assert {
            "verdict",
            "class",
            "runtime",
            "device",
            "python",
            "torch_build",
            "constraints",
            "pins",
            "environment",
            "remedies",
            "reasons",
        } <= set(whole["hosts"]["a"])
