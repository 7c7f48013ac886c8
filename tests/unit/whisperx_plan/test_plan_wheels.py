"""A site's own wheels in a decision: the rules decide as for the index's, and what loses is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from module_utils.whisperx_catalogue.catalogue import Package, numbered
from module_utils.whisperx_catalogue.release import Release, version
from module_utils.whisperx_plan.options import ARGUMENTS
from module_utils.whisperx_plan.output.constraints import specifier_for
from module_utils.whisperx_plan.run import run
from module_utils.whisperx_problem import Problem
from tests.unit.whisperx_catalogue.knowledge import CATALOGUE
from tests.unit.whisperx_measure.site_wheels import build, library
from tests.unit.whisperx_plan.hosts import facts, with_gpu

RECORDED = Path(__file__).resolve().parents[2] / "fixtures" / "hosts"
CT2 = {"ctranslate2": ""}


def recorded(name: str) -> dict[str, Any]:
    (path,) = RECORDED.glob(f"{name}--*.json")
    found: dict[str, Any] = json.loads(path.read_text())["facts"]
    return found


def decided(folder: Path, hosts: dict[str, Any], **options: Any) -> dict[str, Any]:
    given_options = {name: row.get("default") for name, row in ARGUMENTS.items()} | {
        "hosts": hosts,
        "packages": CT2,
        "catalogue": str(CATALOGUE),
        "wheels": [str(folder / "wheels")],
        "cache_dir": str(folder / "cache"),
    }
    return run(given_options | options, lambda _root, _cache: {})


ORIN, GH200 = recorded("jetson-orin"), recorded("gh200-ubuntu2204")
GRAVITON = facts(glibc="2.35", pythons=("3.10.12",), system=("ubuntu", "22.04"), machine="aarch64")
T4 = recorded("ubuntu2204-t4-driver535")


def test_an_orin_gets_the_gpu_by_this_wheel_and_others_do_not(tmp_path: Path) -> None:
    path = build(tmp_path / "wheels")
    hosts = {"orin": ORIN, "gh200": GH200, "graviton": GRAVITON, "t4": T4}
    result = decided(tmp_path, hosts)
    plans = result["hosts"]
    orin = plans["orin"]
    assert (orin["device"], orin["pins"]["ctranslate2"]) == ("cuda", "4.8.5+cu126.sm87")
    assert orin["requirements"] == ["ctranslate2==4.8.5+cu126.sm87"]
    assert [(row["file"], row["sha256"]) for row in orin["wheels"]] == [
        (path.name, result["wheels"][0]["sha256"])
    ]
    # CUDA is part of a Jetson's system; that the library is there is for the check on the host to say.
    assert (orin["loader_paths"], orin["sonames"]["opens"]) == ([], ["libcublas.so.12"])
    for name, device in (("gh200", "cpu"), ("graviton", "cpu"), ("t4", "cuda")):
        assert (plans[name]["device"], plans[name]["pins"]["ctranslate2"]) == (device, "4.8.5"), name
        assert plans[name]["wheels"] == []
    (row,) = result["wheels"]
    assert row["hosts"] == ["orin"]
    told = " | ".join(row["why"])
    assert "has no code for GH200" in told and "has no wheel for x86_64" in told
    assert "computes on its CPU" in told
    assert "warnings" not in result
    assert "built elsewhere" in "\n".join(result["details"])


def test_without_a_wheel_for_it_a_jetson_stays_on_its_cpu(tmp_path: Path) -> None:
    build(tmp_path / "wheels", version="4.8.5+sm90", members={"ctranslate2/_ext.so": library(sass=(90,))})
    orin = decided(tmp_path, {"orin": ORIN})["hosts"]["orin"]
    assert (orin["device"], orin["pins"]["ctranslate2"]) == ("cpu", "4.8.5")
    assert "gpu.machine-code" in {reason["rule"] for reason in orin["reasons"]}
    build(tmp_path / "wheels")
    whole = decided(tmp_path, {"orin": ORIN}, packages={"whisperx": ""})["hosts"]["orin"]
    assert whole["device"] == "cpu"
    told = [reason["sentence"] for reason in whole["reasons"] if reason["rule"] == "gpu.tegra"]
    assert any("build torch for this board" in sentence for sentence in told), told


def test_whisperx_on_a_jetson_with_a_torch_for_it(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    build(wheels)
    flags = b"\0" + b"sm_72 sm_80 sm_87 " + b"\0"
    for name, inside in (
        (
            "torch",
            {
                "torch/lib/libtorch_python.so": library(sass=()) + flags,
                "torch/version.py": b"cuda = '12.6'\n",
            },
        ),
        ("torchaudio", {"torchaudio/lib/x.so": library(sass=())}),
    ):
        build(
            wheels, name, "2.8.0+jp6", members=inside, requires=("torch==2.8.0",) if name != "torch" else ()
        )
    plan = decided(tmp_path, {"orin": ORIN}, packages={"whisperx": ""})["hosts"]["orin"]
    assert (plan["device"], plan["torch_build"], plan["default_torch_build"]) == ("cuda", "jp6", "jp6")
    assert plan["pins"]["torch"] == "2.8.0+jp6" and plan["pins"]["ctranslate2"] == "4.8.5+cu126.sm87"
    assert not [line for line in plan["requirements"] if line.startswith("nvidia-")]


def test_a_torch_for_gpus_leaves_cpus_to_the_build_for_them(tmp_path: Path) -> None:
    flags = b"\0" + b"sm_75 sm_80 sm_86 " + b"\0"
    inside = {
        "torch/lib/libtorch_python.so": library("x86_64", sass=()) + flags,
        "torch/version.py": b"cuda = '12.8'\n",
    }
    build(tmp_path / "wheels", "torch", "2.8.0+site1", "cp313-cp313-linux_x86_64", inside, ())
    gpu = with_gpu(facts(), "8.6", ("570.124.06", "12.8"))
    plans = decided(tmp_path, {"cpu": facts(), "gpu": gpu}, packages={"torch": "<=2.8.0"})["hosts"]
    found = {
        name: (plan["device"], plan["torch_build"], plan["pins"]["torch"]) for name, plan in plans.items()
    }
    assert found == {"cpu": ("cpu", "cpu", "2.8.0"), "gpu": ("cuda", "site1", "2.8.0+site1")}


def test_other_gpus_get_the_libraries_of_the_index(tmp_path: Path) -> None:
    build(tmp_path / "wheels", version="4.8.5+sm90", members={"ctranslate2/_ext.so": library(sass=(90,))})
    plan = decided(tmp_path, {"gh200": GH200}, packages={"whisperx": ""})["hosts"]["gh200"]
    assert (plan["device"], plan["pins"]["ctranslate2"]) == ("cuda", "4.8.5+sm90")
    assert plan["loader_paths"] == ["nvidia/cublas/lib"]


def test_the_libraries_of_another_cuda_beside_torch(tmp_path: Path) -> None:
    """A build for CUDA 13 alone, but not with a torch of CUDA 12, whose cuDNN lies at the same path."""
    code = library("x86_64", sass=(120,), opens=("libcublas.so.13", "libcudnn.so.9"))
    build(
        tmp_path / "wheels",
        version="4.8.5+cu130",
        tag="cp313-cp313-linux_x86_64",
        members={"ctranslate2/x.so": code},
    )
    host = recorded("fedora44-rtx5090-driver595-py313")
    alone = decided(tmp_path, {"h": host})["hosts"]["h"]
    assert alone["pins"]["ctranslate2"] == "4.8.5+cu130"
    assert {"nvidia-cublas>=13,<14", "nvidia-cudnn-cu13>=9,<10"} <= set(alone["requirements"])
    whole = decided(tmp_path, {"h": host}, packages={"whisperx": ""})
    assert whole["hosts"]["h"]["pins"]["ctranslate2"] == "4.8.5"
    assert "does not go together with the rest of the set" in whole["warnings"][0]


def test_a_wheel_that_is_linked_with_cuda_does_not_go_to_a_cpu(tmp_path: Path) -> None:
    code = library(sass=(), opens=(), needed=("libc.so.6", "libcublas.so.12"))
    build(tmp_path / "wheels", members={"ctranslate2/_ext.so": code})
    result = decided(tmp_path, {"graviton": GRAVITON})
    assert result["hosts"]["graviton"]["pins"]["ctranslate2"] == "4.8.5"
    assert "linked with libcublas.so.12" in result["wheels"][0]["why"][0]
    assert "is used by no host" in result["warnings"][0]


def test_another_build_of_what_the_index_has_is_newer_on_a_cpu_too(tmp_path: Path) -> None:
    code = library("x86_64", sass=(75, 86))
    build(tmp_path / "wheels", tag="cp313-cp313-linux_x86_64", members={"ctranslate2/_ext.so": code})
    host = decided(tmp_path, {"h": facts()})["hosts"]["h"]
    assert (host["device"], host["pins"]["ctranslate2"]) == ("cpu", "4.8.5+cu126.sm87")


def test_a_wheel_for_cpus_is_newer_than_the_indexs(tmp_path: Path) -> None:
    code = library(sass=(), opens=(), glibc="2.34")
    build(tmp_path / "wheels", version="4.8.5+arm", members={"ctranslate2/_ext.so": code})
    old = facts(glibc="2.31", pythons=("3.10.12",), system=("ubuntu", "20.04"), machine="aarch64")
    result = decided(tmp_path, {"graviton": GRAVITON, "old": old})
    pins = {name: plan["pins"]["ctranslate2"] for name, plan in result["hosts"].items()}
    assert pins == {"graviton": "4.8.5+arm", "old": "4.8.5"}
    assert "needs glibc 2.34" in result["wheels"][0]["why"][0]


def test_an_executable_stack_is_repaired_as_any(tmp_path: Path) -> None:
    code = library("x86_64", sass=(75,), stack=7)
    build(
        tmp_path / "wheels",
        version="4.9.0+site",
        tag="cp313-cp313-linux_x86_64",
        members={"ctranslate2/x.so": code},
    )
    host = with_gpu(facts(), "7.5", ("570.124.06", "12.8"))
    plan = decided(tmp_path, {"h": host}, packages={"ctranslate2": "==4.9.0+site"})["hosts"]["h"]
    assert plan["repairs"] == [{"package": "ctranslate2", "version": "4.9.0+site", "clear": "execstack"}]


@pytest.mark.parametrize(
    ("number", "tag", "why"),
    [
        ("4.8.5", "cp310-cp310-linux_aarch64", "the index's wheel of that version"),
        ("4.6.0+cu126", "cp310-cp310-linux_aarch64", "loses to ctranslate2 4.8.5+cu126.sm87, which is newer"),
        ("4.8.5+new", "cp312-cp312-linux_aarch64", "has no wheel for Python 3.10"),
    ],
)
def test_a_wheel_that_loses_is_said_with_the_reason(tmp_path: Path, number: str, tag: str, why: str) -> None:
    build(tmp_path / "wheels")
    build(tmp_path / "wheels", version=number, tag=tag)
    result = decided(tmp_path, {"orin": ORIN})
    (row,) = (row for row in result["wheels"] if row["version"] == number)
    assert (row["hosts"], why in row["why"][0]) == ([], True), row["why"]
    assert why in result["warnings"][0] and len(result["warnings"]) == 1


def test_the_version_of_the_index_for_a_machine_that_it_has_none_for(tmp_path: Path) -> None:
    """As torchcodec on aarch64: of the index's version, a wheel of one's own is the only one there."""
    inside = {"torchcodec/libtorchcodec.so": library(sass=(), opens=())}
    build(tmp_path / "wheels", "torchcodec", "0.7.0", "cp310-cp310-linux_aarch64", inside, ())
    result = decided(tmp_path, {"graviton": GRAVITON}, packages={"torchcodec": "==0.7.0"})
    assert result["hosts"]["graviton"]["pins"]["torchcodec"] == "0.7.0"
    assert result["wheels"][0]["hosts"] == ["graviton"]
    without = decided(tmp_path, {"graviton": GRAVITON}, packages={"torchcodec": "==0.7.0"}, wheels=[])
    assert without["hosts"]["graviton"]["verdict"] == "refused"


def test_hosts_may_name_wheels_of_their_own(tmp_path: Path) -> None:
    build(tmp_path / "wheels")
    requests = {"wheels": {"mine": [str(tmp_path / "wheels")]}}
    result = decided(tmp_path, {"mine": ORIN, "other": ORIN}, wheels=[], requests=requests)
    assert {name: plan["device"] for name, plan in result["hosts"].items()} == {
        "mine": "cuda",
        "other": "cpu",
    }


def test_the_class_of_hosts_that_do_not_get_it_stays(tmp_path: Path) -> None:
    build(tmp_path / "wheels")
    hosts = {"graviton": GRAVITON, "t4": T4, "orin": ORIN}
    before = decided(tmp_path, hosts, wheels=[])["hosts"]
    after = decided(tmp_path, hosts)["hosts"]
    assert {name for name in hosts if before[name]["class"] != after[name]["class"]} == {"orin"}


def test_two_wheels_of_one_version_are_taken_by_the_stricter(tmp_path: Path) -> None:
    for tag, sass in (("cp310-cp310-linux_aarch64", (87,)), ("cp312-cp312-linux_aarch64", (90,))):
        build(tmp_path / "wheels", tag=tag, members={"ctranslate2/_ext.so": library(sass=sass)})
    orin = decided(tmp_path, {"orin": ORIN})["hosts"]["orin"]
    assert orin["device"] == "cpu"


def test_wheels_of_one_version_that_ask_for_different_packages(tmp_path: Path) -> None:
    build(tmp_path / "wheels")
    build(tmp_path / "wheels", tag="cp312-cp312-linux_aarch64", requires=("numpy<2",))
    with pytest.raises(Problem) as caught:
        decided(tmp_path, {"orin": ORIN})
    assert caught.value.rule == "wheels.metadata"


@pytest.mark.parametrize("value", [[1], {"a": "b"}, [""], 7])
def test_what_is_no_list_of_paths(tmp_path: Path, value: Any) -> None:
    with pytest.raises(Problem) as caught:
        decided(tmp_path, {"orin": ORIN}, wheels=[], requests={"wheels": {"orin": value}})
    assert caught.value.rule == "request.wheels"


def test_a_bundles_rows_decide_as_the_wheels_did(tmp_path: Path) -> None:
    build(tmp_path / "wheels")
    result = decided(tmp_path, {"orin": ORIN})
    place = tmp_path / "bundle" / "catalogue"
    place.mkdir(parents=True)
    rows = [{key: row[key] for key in row if key not in ("path", "hosts", "why")} for row in result["wheels"]]
    (place / "wheels.json").write_text(json.dumps(rows))
    offline = decided(tmp_path, {"orin": ORIN}, wheels=[], bundle=str(tmp_path / "bundle"))
    assert offline["hosts"] == result["hosts"]
    (place / "wheels.json").write_text("{")
    with pytest.raises(Problem) as caught:
        decided(tmp_path, {"orin": ORIN}, wheels=[], bundle=str(tmp_path / "bundle"))
    assert caught.value.rule == "bundle.wheels"


_NUMBERS = ("4.6.0", "4.7.0", "4.8.5", "4.9.0")
_TEXTS = [f"{number}{label}" for number in _NUMBERS for label in ("", "+cu126", "+site1")]


@settings(max_examples=300)
@given(
    texts=st.sets(st.sampled_from(_TEXTS), min_size=1),
    chosen=st.sets(st.integers(0, 11)),
    unknown=st.sampled_from(("refuse", "gate")),
)
def test_constraints_are_valid_and_admit_nothing_that_fails(
    texts: set[str], chosen: set[int], unknown: str
) -> None:
    """With builds beside versions too: what a specifier cannot say is left out, never let in."""
    ordered = sorted(texts, key=version)
    releases = [
        Release("p", text, version(text), None, None, (), (), {}, site="+" in text) for text in ordered
    ]
    package = Package("p", numbered(releases))
    admitted = sum(release.bit for release in releases if release.index in chosen)
    wanted = SpecifierSet(specifier_for(package, admitted, package.everything, unknown))
    if not admitted:
        return
    inside = [release for release in releases if wanted.contains(release.text, prereleases=True)]
    assert inside and all(release.bit & admitted for release in inside)
    newest = package.members(admitted)[0]
    assert newest in inside
    if not any(release.version.local for release in releases):
        assert sum(release.bit for release in inside) == admitted
