"""Which profile of an image a machine gets, from facts alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from module_utils.whisperx_firstboot import main
from module_utils.whisperx_firstboot.fit import choose, misfits, stamp
from module_utils.whisperx_firstboot.records import Image, Profile, Settings, read_image
from module_utils.whisperx_problem import Problem

CPU = Profile("cpu", "r-cpu", "cpu", "x86_64", "glibc", "2.41")
GPU = Profile(
    "gpu",
    "r-gpu",
    "cuda",
    "x86_64",
    "glibc",
    "2.41",
    {"7.0": ("525", "580"), "8.9": ("525", ""), "9.0": ("570", "")},
)
IMAGE = Image("/opt/whisperx", "pipeline", (CPU, GPU))
PLAIN: dict[str, Any] = {
    "machine": "x86_64",
    "libc": {"family": "glibc", "version": "2.41"},
    "gpus": [],
    "nvidia_driver": {"state": "absent"},
}


def with_gpu(capability: str = "8.9", version: str = "570.124.06", **driver: str) -> dict[str, Any]:
    """Return the facts of a machine with one GPU."""
    state = {"state": "running", "version": version} | driver
    return PLAIN | {"gpus": [{"compute_capability": capability}], "nvidia_driver": state}


def chosen(facts: dict[str, Any], **settings: str) -> str:
    """Return the name of the chosen profile, else the rule."""
    choice = choose(IMAGE, facts, Settings(**settings))
    return choice.profile.name if choice.profile else choice.rule


@pytest.mark.parametrize(
    ("facts", "answer"),
    [
        (PLAIN, "cpu"),
        (with_gpu(), "gpu"),
        (with_gpu("9.0", "570.124.06"), "gpu"),
        (with_gpu("9.0", "550.54.15"), "cpu"),
        (with_gpu("7.0", "580.95.05"), "gpu"),
        (with_gpu("7.0", "590.44.01"), "cpu"),
        (with_gpu("6.1"), "cpu"),
        (with_gpu(state="mismatch", detail="kernel module 570, libraries 580"), "firstboot.gpu-fails"),
        (with_gpu(state="unusable", detail="NVML does not answer"), "firstboot.gpu-fails"),
        (with_gpu(state="absent", detail="NVIDIA's driver is not installed"), "cpu"),
        (PLAIN | {"machine": "aarch64"}, "firstboot.no-profile"),
        (PLAIN | {"libc": {"family": "glibc", "version": "2.36"}}, "firstboot.no-profile"),
        (PLAIN | {"libc": {"family": "musl", "version": "1.2.5"}}, "firstboot.no-profile"),
        (PLAIN | {"libc": {"family": "glibc", "version": "2.43"}}, "cpu"),
    ],
)
def test_choice(facts: dict[str, Any], answer: str) -> None:
    assert chosen(facts) == answer


def test_what_the_owner_asks_for_is_taken_or_nothing() -> None:
    assert chosen(with_gpu(), profile="cpu") == "cpu"
    assert chosen(PLAIN, profile="gpu") == "firstboot.no-profile"
    assert chosen(PLAIN, profile="tpu") == "firstboot.unknown-profile"
    assert chosen(with_gpu(state="mismatch"), profile="cpu") == "cpu"


def test_one_gpu_of_several_that_is_served_is_enough() -> None:
    facts = with_gpu() | {"gpus": [{"compute_capability": "6.1"}, {"compute_capability": "8.9"}]}
    assert chosen(facts) == "gpu"


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (PLAIN, "this machine has none"),
        (with_gpu("9.0", "550.54.15"), "driver 570 or newer, here is 550.54.15"),
        (with_gpu("7.0", "590.44.01"), "branch 580 at most, here is 590.44.01"),
        (with_gpu("12.0"), "compute capability 7.0, 8.9, 9.0, the GPU here has 12.0"),
        (with_gpu(state="unusable", detail="NVML: lost"), "NVML: lost"),
    ],
)
def test_a_misfit_says_what_is_wanted_and_what_is_here(facts: dict[str, Any], words: str) -> None:
    assert words in " ".join(misfits(GPU, facts))


def test_a_newer_libc_and_an_idle_gpu_are_told() -> None:
    newer = PLAIN | {"libc": {"family": "glibc", "version": "2.43"}}
    assert "2.43" in choose(IMAGE, newer, Settings()).notes[0]
    assert "GPU" in choose(IMAGE, with_gpu("6.1"), Settings()).notes[0]


def test_what_the_processor_lacks_is_told() -> None:
    older = PLAIN | {"cpu": {"flags": ["sse4_1", "avx"]}}
    declared = replace(IMAGE, profiles=(replace(CPU, flags=("sse4_1", "avx", "avx2", "fma")),))
    notes = choose(declared, older, Settings()).notes
    assert notes == ("baked for a processor with avx2, fma, which this one does not have",)
    assert choose(IMAGE, older, Settings()).notes == ()


def test_the_stamp_moves_with_what_a_verdict_rests_on_and_with_nothing_else() -> None:
    same = PLAIN | {"kernel": {"release": "6.12"}, "sources": {"libc": "confstr"}}
    assert stamp(PLAIN, IMAGE, Settings()) == stamp(same, IMAGE, Settings())
    others = [
        stamp(with_gpu(), IMAGE, Settings()),
        stamp(with_gpu(version="580.95.05"), IMAGE, Settings()),
        stamp(PLAIN | {"libc": {"family": "glibc", "version": "2.43"}}, IMAGE, Settings()),
        stamp(PLAIN, replace(IMAGE, level="kernels"), Settings()),
        stamp(PLAIN, IMAGE, Settings(profile="cpu")),
    ]
    assert len({stamp(PLAIN, IMAGE, Settings()), *others}) == 6


def test_the_kernels_word_comes_before_the_units_environment() -> None:
    environment = {"WHISPERX_PROFILE": "cpu", "WHISPERX_TIMEOUT": "30"}
    found = main.settings(environment, "root=/dev/vda whisperx.profile=gpu whisperx.level=kernels quiet\n")
    assert found == Settings("gpu", "kernels", 30.0)
    assert main.settings({}, "") == Settings()


@pytest.mark.parametrize("line", ["whisperx.level=deep", "whisperx.timeout=soon"])
def test_a_wrong_setting_is_refused(line: str) -> None:
    with pytest.raises(Problem) as raised:
        main.settings({}, line)
    assert raised.value.rule == "firstboot.settings"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"root": "/", "level": "import", "profiles": [{"name": "x"}]}']
)
def test_a_broken_image_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "image.json").write_text(text)
    with pytest.raises(Problem) as raised:
        read_image(str(tmp_path / "image.json"))
    assert raised.value.rule == "firstboot.image"
