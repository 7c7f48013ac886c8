"""Keeping, adopting and refusing locks: all that happens without uv and without a network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from module_utils.whisperx_common.lockfile import Lock, LockedPackage, digest, parse, render
from module_utils.whisperx_lock.directory import read_locks, write
from module_utils.whisperx_lock.fit import best_fit, misfits, torch_build_of
from module_utils.whisperx_lock.lock import LockResult, make, make_all
from module_utils.whisperx_lock.resolve import check_family
from module_utils.whisperx_lock.sources import Sources
from module_utils.whisperx_lock.workshop import Workshop, open_workshop
from module_utils.whisperx_problem import Problem

SHA = "0123456789abcdef" * 4
PLAN: dict[str, Any] = {
    "request": {"whisperx": ""},
    "machine": "x86_64",
    "libc": {"family": "glibc", "version": "2.41"},
    "platform": "x86_64-manylinux_2_40",
    "python": "3.13",
    "device": "cpu",
    "torch_build": "cpu",
    "default_torch_build": "cu128",
    "pins": {"whisperx": "3.8.6", "ctranslate2": "4.8.5", "torch": "2.8.0"},
    "constraints": {"ctranslate2": ">=4.6.0,<5", "torch": "==2.8.0"},
    "requirements": ["whisperx==3.8.6"],
    "repairs": [],
}
VERSIONS = {"whisperx": "3.8.6", "ctranslate2": "4.8.5", "torch": "2.8.0+cpu", "numpy": "2.1.0"}


def package(name: str, version: str, origin: str = "index") -> LockedPackage:
    return LockedPackage(
        name, version, SHA, f"{name.replace('-', '_')}-{version}-py3-none-any.whl", 10, origin
    )


def lock(
    versions: Mapping[str, str] = VERSIONS, header: Mapping[str, str] | None = None, origin: str = "index"
) -> Lock:
    fields = {
        "whisperx-fleet-lock": "1",
        "class": "cpu",
        "request": '{"whisperx":""}',
        "platform": "x86_64-manylinux_2_40",
        "python": "3.13",
        "device": "cpu",
        "torch-build": "cpu",
        "torch-backend": "cpu",
        "catalogue": "abc",
        "uv": "0.13.9",
        **(header or {}),
    }
    return parse(render(Lock(fields, tuple(package(name, versions[name], origin) for name in versions))))


@pytest.mark.parametrize(
    ("versions", "header", "plan", "sentence"),
    [
        ({}, {}, {}, ""),
        ({"ctranslate2": "4.6.0"}, {}, {}, ""),
        ({"ctranslate2": "4.5.0"}, {}, {}, "ctranslate2 4.5.0: works on the host >=4.6.0,<5"),
        ({}, {}, {"request": {"WhisperX": ">3.8"}}, ""),
        ({}, {}, {"request": {"whisperx": ">3.9"}}, "whisperx 3.8.6: asked for is >3.9"),
        ({}, {}, {"request": {"ctranslate2": ""}}, "it was made for whisperx, asked for is ctranslate2"),
        ({}, {"platform": "x86_64-manylinux_2_31"}, {}, "platform is x86_64-manylinux_2_31, the host needs"),
        ({}, {"python": "3.12"}, {}, "python is 3.12, the host needs 3.13"),
        ({}, {"device": "cuda"}, {}, "device is cuda, the host needs cpu"),
        ({"torch": "2.8.0"}, {"torch-build": "cu128"}, {}, ""),
        ({}, {"torch-build": "cu126"}, {}, "torch's build is cu126, the host needs cpu"),
        ({}, {}, {"torch_build": "cu126"}, "torch's build is cpu, the host needs cu126"),
        ({}, {}, {"torch_build": None}, "torch's build is cpu, the host needs none"),
        ({}, {}, {"requirements": ["nvidia-cublas-cu12>=12,<13"]}, "nvidia-cublas-cu12 is not in it"),
        ({"nvidia-x": "13.1"}, {}, {"requirements": ["nvidia-x>=12,<13"]}, "nvidia-x 13.1: the host needs"),
        ({"nvidia-x": "12.9"}, {}, {"requirements": ["nvidia_X>=12,<13"]}, ""),
        (
            {"torchcodec": "0.17.0"},
            {},
            {"left_out": ["torchcodec"]},
            "torchcodec is in it, the host does without",
        ),
        ({}, {}, {"left_out": ["torchcodec"]}, ""),
        (
            {},
            {},
            {"repairs": [{"package": "ctranslate2"}]},
            "repaired are nothing, the host needs ctranslate2",
        ),
    ],
)
def test_what_does_not_fit_is_said(
    versions: dict[str, str], header: dict[str, str], plan: dict[str, Any], sentence: str
) -> None:
    found = misfits(lock({**VERSIONS, **versions}, header), {**PLAN, **plan})
    assert [sentence in entry for entry in found] == ([True] if sentence else [])


def test_a_repaired_package_fits_only_where_it_is_wanted() -> None:
    repaired = lock({"ctranslate2": "4.8.5"}, {"request": '{"ctranslate2":""}'}, "repaired:" + SHA)
    plan = {**PLAN, "request": {"ctranslate2": ""}, "requirements": []}
    assert "repaired are ctranslate2" in misfits(repaired, plan)[0]
    assert not misfits(repaired, {**plan, "repairs": [{"package": "CTranslate2"}]})


def test_a_broken_specifier_of_a_plan_is_named() -> None:
    with pytest.raises(Problem) as caught:
        misfits(lock(), {**PLAN, "constraints": {"torch": ">>2"}})
    assert (caught.value.rule, caught.value.where) == ("lock.plan", "torch")


def test_the_newest_of_the_fitting_locks_is_best() -> None:
    locks = {
        "a": lock({**VERSIONS, "ctranslate2": "4.7.0"}),
        "b": lock({**VERSIONS, "ctranslate2": "4.10.0"}),
        "c": lock({**VERSIONS, "ctranslate2": "4.10.0"}),
        "d": lock({**VERSIONS, "ctranslate2": "4.99.0"}, {"python": "3.12"}),
        "e": lock({**VERSIONS, "whisperx": "9"}, {"request": '{"whisperx":">=3"}'}),
    }
    assert best_fit(locks, PLAN) == "b"
    assert best_fit({"d": locks["d"], "e": locks["e"]}, PLAN) is None


def test_the_build_of_torch_is_its_local_version() -> None:
    assert torch_build_of({"torch": "2.8.0+cu126"}, PLAN) == "cu126"
    assert torch_build_of({"torch": "2.8.0"}, PLAN) == "cu128"
    assert torch_build_of({"numpy": "2"}, PLAN) == ""


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    """A workshop whose uv answers nothing: a lock that is kept must not start it."""
    silent = tmp_path / "uv"
    silent.write_text("#!/bin/sh\nexit 3\n")
    silent.chmod(0o755)
    found = open_workshop(Sources(), tmp_path / "locks", str(silent), str(tmp_path / "cache"))
    own = Path("/proc/self/exe").resolve()
    found.resolver.uv.path = own  # any executable of this machine stands for one that fits the target
    return found


def test_a_lock_that_fits_is_kept(shop: Workshop) -> None:
    text = render(lock())
    result = make("cpu", PLAN, {"cpu": text}, "locked", shop)
    assert (result.text, result.changed, result.notes, result.files) == (text, False, (), ())
    assert result.digest == digest(text)
    assert result.uv.path == str(shop.resolver.uv.path)
    assert len(result.uv.sha256) == 64
    assert not Path(shop.store.root).exists()


def test_a_kept_lock_says_that_it_has_the_larger_build(shop: Workshop) -> None:
    text = render(lock({**VERSIONS, "torch": "2.8.0"}, {"torch-build": "cu128"}))
    result = make("cpu", PLAN, {"cpu": text}, "locked", shop)
    assert not result.changed
    assert "torch's cu128 build where cpu would do" in result.notes[0]


def test_another_lock_that_fits_is_taken_over(shop: Workshop) -> None:
    old = render(lock({**VERSIONS, "ctranslate2": "4.5.0"}))
    other = render(lock(header={"class": "other"}))
    result = make("cpu", PLAN, {"cpu": old, "other": other, "broken": "x"}, "locked", shop)
    assert result.lock.header["class"] == "cpu"
    assert result.lock.packages == parse(other).packages
    assert [note.split(":")[0] for note in result.notes] == [
        "the lock cpu no longer fits",
        "not considered",
        "taken over from the lock other, which fits",
    ]
    diff = result.diff("locks/cpu.txt")
    assert ("ctranslate2 4.5.0\n" in diff["before"], "ctranslate2 4.8.5\n" in diff["after"]) == (True, True)


@pytest.mark.parametrize("text", ["", "x\n", render(lock()).replace("4.8.5", "4.8.4")])
def test_an_edited_lock_is_not_replaced(shop: Workshop, text: str) -> None:
    with pytest.raises(Problem) as caught:
        make("cpu", PLAN, {"cpu": text}, "locked", shop)
    assert caught.value.rule == "lock.malformed"
    assert caught.value.where.startswith(str(shop.lock_dir / "cpu.txt"))


def test_one_class_without_a_lock_does_not_harm_the_others(shop: Workshop) -> None:
    results, problems = make_all(
        {"cpu": PLAN, "bad": PLAN, "../up": PLAN}, {"cpu": render(lock()), "bad": "x"}, "locked", shop
    )
    assert set(results) == {"cpu"}
    assert {name: problem.rule for name, problem in problems.items()} == {
        "bad": "lock.malformed",
        "../up": "lock.plan",
    }


def test_a_missing_local_wheel_is_named(shop: Workshop) -> None:
    text = render(lock(origin="local"))
    with pytest.raises(Problem) as caught:
        make("cpu", PLAN, {"cpu": text}, "locked", shop)
    assert (caught.value.rule, "ctranslate2-4.8.5" in caught.value.found) == ("lock.local-file", True)


def test_a_build_needs_digests(shop: Workshop) -> None:
    row = {"package": "a", "version": "1", "sdist_sha256": SHA, "build_requires": ["setuptools==80.9.0"]}
    with pytest.raises(Problem) as caught:
        make("cpu", {**PLAN, "built_from_sdist": [row]}, {}, "locked", shop)
    assert (caught.value.rule, "setuptools==80.9.0" in caught.value.found) == ("lock.plan", True)


def test_locks_are_written_whole_and_read_back(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "locks"
    assert read_locks(folder) == {}
    text = render(lock())
    write(folder, "cpu", text)
    write(folder, "cpu", text)
    assert read_locks(folder) == {"cpu": text}
    assert [path.name for path in folder.iterdir()] == ["cpu.txt"]
    assert (folder / "cpu.txt").stat().st_mode & 0o777 == 0o644


def test_a_lock_directory_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("a file")
    with pytest.raises(Problem) as caught:
        write(tmp_path / "locks", "cpu", "x")
    assert caught.value.rule == "lock.directory"


def test_a_result_tells_whether_it_is_new() -> None:
    text = render(lock())
    assert json.loads(parse(text).header["request"]) == {"whisperx": ""}
    assert LockResult(text, "", (), (), None).changed  # type: ignore[arg-type]


class TestOneBuildOfTorch:
    """Two indexes may give torch and torchaudio of different builds, which METADATA allows."""

    PLAN: ClassVar[dict[str, str]] = {"machine": "x86_64", "default_torch_build": "cu128"}

    @pytest.mark.parametrize(
        ("torch", "torchaudio"),
        [("2.8.0+cpu", "2.8.0"), ("2.8.0", "2.8.0+cu126"), ("2.8.0+cu126", "2.8.0+cpu")],
    )
    def test_two_builds_are_refused(self, torch: str, torchaudio: str) -> None:
        with pytest.raises(Problem, match="whisperx_plan_torch_index") as caught:
            check_family({"torch": torch, "torchaudio": torchaudio}, self.PLAN)
        assert caught.value.rule == "lock.torch-mixed"

    @pytest.mark.parametrize(
        ("torch", "torchaudio"), [("2.8.0", "2.8.0"), ("2.8.0+cpu", "2.8.0+cpu"), ("2.8.0+cu128", "2.8.0")]
    )
    def test_one_build_passes(self, torch: str, torchaudio: str) -> None:
        check_family({"torch": torch, "torchaudio": torchaudio, "numpy": "2.1"}, self.PLAN)

    def test_without_labels_on_arm_nothing_can_be_said(self) -> None:
        check_family({"torch": "2.8.0+cpu", "torchaudio": "2.8.0"}, {**self.PLAN, "machine": "aarch64"})
