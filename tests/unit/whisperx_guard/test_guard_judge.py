"""The decision of the guard: what stops, what does not. The shared objects are written here, byte by byte."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from module_utils.whisperx_guard.judge import Surroundings, judge
from module_utils.whisperx_guard.managed import managed
from module_utils.whisperx_guard.model import Change, Found, rows
from module_utils.whisperx_problem import Problem

ROOT = Path(__file__).resolve().parents[3]
ROWS = rows(
    yaml.safe_load((ROOT / "roles/whisperx_guard/files/packages.yml").read_text(encoding="utf-8"))["packages"]
)
LIBC = Change("libc6", "amd64", "2.36-9+deb12u14", "2.41-12")


def stack_object() -> bytes:
    """Return the smallest x86_64 library that asks for an executable stack."""
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return head + struct.pack("<IIQQQQQQ", 0x6474E551, 7, 0, 0, 0, 0, 0, 16)


def make(root: Path, name: str, in_use: bool = True, **record: Any) -> Path:
    """Put a release below a root."""
    release = root / "releases" / name
    packages = release / "lib/python3.11/site-packages/tiny"
    packages.mkdir(parents=True)
    (packages / "stack.so").write_bytes(stack_object())
    (release / "bin").mkdir()
    (root / "usr/bin").mkdir(parents=True, exist_ok=True)
    (root / "usr/bin/python3.11").touch()
    (release / "bin/python").symlink_to(root / "usr/bin/python3.11")
    needs = {"execstack_refused_from": "2.41"} | record.pop("needs", {})
    values = {"id": name, "python": "3.11", "device": "cpu", "needs": needs} | record
    (release / "release.json").write_text(json.dumps(values), encoding="utf-8")
    (root / ".whisperx-fleet").write_text("{}", encoding="utf-8")
    if in_use:
        (root / "current").symlink_to(f"releases/{name}")
    return release


def ask(
    root: Path,
    *changes: Change,
    owns: Callable[[Change, Sequence[str]], bool] = lambda change, paths: False,
    installed: Sequence[str] = (),
) -> list[Found]:
    host = Surroundings("2.36", "x86_64", owns, lambda: set(installed))
    return judge(changes, managed([str(root)]), ROWS, host)


def rules(found: Sequence[Found]) -> list[str]:
    return [item.problem.rule for item in found]


def test_a_libc_that_would_not_load_an_object_is_found_with_the_object(tmp_path: Path) -> None:
    make(tmp_path, "a")
    found = ask(tmp_path, LIBC)
    assert rules(found) == ["guard.libc"] and found[0].in_use
    sentence = found[0].problem.sentence()
    assert "tiny/stack.so of a does not load" in sentence and "glibc 2.41 refuses" in sentence


@pytest.mark.parametrize(
    "change",
    [
        Change("libc6", "amd64", "2.36-9+deb12u13", "2.36-9+deb12u14"),
        Change("libc6", "amd64", "2.36-9", "2.40-1"),
        Change("libc6-dev", "amd64", "2.36-9", "2.41-12"),
        Change("libc6", "amd64", "2.36-9", "strange"),
        Change("bash", "amd64", "5.2-1", ""),
    ],
    ids=lambda change: f"{change.package} {change.after or 'removed'}",
)
def test_what_changes_nothing_for_the_environment_passes(tmp_path: Path, change: Change) -> None:
    make(tmp_path, "a")
    assert ask(tmp_path, change) == []


def test_an_environment_with_the_tunable_passes(tmp_path: Path) -> None:
    make(tmp_path, "a", needs={"execstack_allowed": True})
    assert ask(tmp_path, LIBC) == []


def test_what_does_not_load_today_either_is_no_reason(tmp_path: Path) -> None:
    make(tmp_path, "a", needs={"execstack_refused_from": "2.30"})
    assert ask(tmp_path, LIBC) == []


def test_a_release_that_is_only_kept_is_told_apart_and_an_emptied_one_left_out(tmp_path: Path) -> None:
    make(tmp_path, "a", needs={"execstack_allowed": True})
    make(tmp_path, "b", in_use=False)
    emptied = make(tmp_path, "c", in_use=False)
    (emptied / "lib").rename(tmp_path / "gone")
    assert [(item.in_use, item.problem.where) for item in ask(tmp_path, LIBC)] == [
        (False, str(tmp_path / "releases/b"))
    ]


def test_no_root_no_word(tmp_path: Path) -> None:
    assert ask(tmp_path / "nothing", LIBC) == []


BOUNDS = {"driver": {"minimum": "550", "maximum": "580"}}


@pytest.mark.parametrize(
    ("package", "version", "wanted"),
    [
        ("libnvidia-compute-535", "535.183.01-0ubuntu1", "driver 550 or newer"),
        ("nvidia-driver", "1:590.44.01-1", "driver 580 at most: the last for a GPU of this host"),
        ("nvidia-kernel-open-dkms", "580.95.05-1", ""),
        ("nvidia-driver-cuda-libs", "3:560.35.05-1.fc42", ""),
        ("linux-modules-nvidia-535-generic", "6.8.0-51.52", ""),
        ("nvidia-container-toolkit", "1.17.8-1", ""),
    ],
)
def test_a_driver_has_to_be_within_the_plan_s_bounds(
    tmp_path: Path, package: str, version: str, wanted: str
) -> None:
    make(tmp_path, "a", device="cuda", needs=BOUNDS)
    found = ask(tmp_path, Change(package, "amd64", "", version))
    assert [item.problem.wanted for item in found] == ([wanted] if wanted else [])


def test_without_bounds_the_driver_it_was_proved_on_is_the_least(tmp_path: Path) -> None:
    make(tmp_path, "a", device="cuda", host={"driver": "570.124.06"})
    assert rules(ask(tmp_path, Change("libcuda1", "amd64", "570.124.06-1", "550.54-1"))) == ["guard.driver"]
    assert ask(tmp_path, Change("libcuda1", "amd64", "570.124.06-1", "575.1-1")) == []


def test_drivers_do_not_matter_to_a_release_for_the_cpu(tmp_path: Path) -> None:
    make(tmp_path, "a", needs=BOUNDS)
    assert ask(tmp_path, Change("libcuda1", "amd64", "570.124.06-1", "")) == []


def test_the_last_driver_may_not_go_but_be_replaced(tmp_path: Path) -> None:
    make(tmp_path, "a", device="cuda", needs=BOUNDS)
    going = Change("libnvidia-compute-570", "amd64", "570.124.06-0ubuntu1", "")
    coming = Change("libnvidia-compute-580", "amd64", "", "580.95.05-0ubuntu1")
    assert rules(ask(tmp_path, going)) == ["guard.driver-gone"]
    assert ask(tmp_path, going, coming) == []
    assert ask(tmp_path, going, installed=["libcuda1", "libnvidia-compute-570"]) == []
    assert rules(ask(tmp_path, going, installed=["libnvidia-compute-570"])) == ["guard.driver-gone"]


@pytest.mark.parametrize(
    ("after", "stopped"),
    [("", True), ("3.13.5-1", True), ("3.11.9-1", False)],
    ids=["gone", "minor", "patch"],
)
def test_the_interpreter_may_neither_go_nor_change_its_minor(
    tmp_path: Path, after: str, stopped: bool
) -> None:
    make(tmp_path, "a")

    def owns(change: Change, paths: Sequence[str]) -> bool:
        return change.package == "python3-minimal" and str(tmp_path / "usr/bin/python3.11") in paths

    found = ask(tmp_path, Change("python3-minimal", "amd64", "3.11.2-1", after), owns=owns)
    assert rules(found) == (["guard.interpreter"] if stopped else [])
    assert ask(tmp_path, Change("python3-other", "amd64", "3.11.2-1", after), owns=owns) == []


@pytest.mark.parametrize(
    "row",
    [
        {"match": "(", "what": "libc", "version": "1"},
        {"match": "a", "what": "b", "version": "1"},
        {"match": "a"},
    ],
)
def test_a_malformed_row_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(Problem) as raised:
        rows([row])
    assert raised.value.rule == "guard.packages"
