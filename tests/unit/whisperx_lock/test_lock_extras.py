"""Further packages in a lock: what it notes of them, what their wheels have, and the room that they get."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from module_utils.whisperx_common.extras import Extra, chosen, commands, imports, read, write
from module_utils.whisperx_common.lockfile import Lock, LockedPackage, parse, render
from module_utils.whisperx_lock.contents import commands_of, modules_of, read_contents
from module_utils.whisperx_lock.fit import best_fit, misfits
from module_utils.whisperx_lock.further import (
    about_extras,
    amended,
    check_commands,
    check_extras,
    moved,
    relaxed,
)
from module_utils.whisperx_problem import Problem

PLAN: dict[str, Any] = {
    "request": {"ctranslate2": ""},
    "extras": {"nltk": ">=3.9"},
    "platform": "x86_64-manylinux_2_40",
    "python": "3.13",
    "device": "cpu",
    "torch_build": None,
    "pins": {"ctranslate2": "4.8.5", "numpy": "2.5.5", "torch": "2.8.0"},
    "constraints": {"ctranslate2": ">=4.6.0,<=4.8.5", "numpy": ">=2.1", "torch": ">=2.5"},
    "requirements": ["ctranslate2==4.8.5", "nltk>=3.9", "torch==2.8.0"],
    "scripts": ["whisperx"],
}
NLTK = Extra("nltk", ">=3.9", ("nltk",), ("nltk",))


def packages(**versions: str) -> tuple[LockedPackage, ...]:
    return tuple(
        LockedPackage(
            name.replace("_", "-"), version, "0" * 64, f"{name}-{version}-py3-none-any.whl", 1, "index"
        )
        for name, version in sorted(versions.items())
    )


def lock(*extras: Extra, **versions: str) -> Lock:
    header = {
        "whisperx-fleet-lock": "1",
        "class": "x",
        "request": '{"ctranslate2":""}',
        "uv": "0",
        "torch-build": "",
    }
    header |= {key: str(PLAN[key]) for key in ("platform", "python", "device")}
    return Lock({**header, "extras": write(extras)}, packages(**{"ctranslate2": "4.8.5", **versions}))


_NAMES = st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,5}){0,2}", fullmatch=True)
_EXTRAS = st.builds(
    Extra,
    _NAMES,
    st.sampled_from(["", ">=1", "==1.2.3,!=4"]),
    st.lists(st.from_regex(r"[a-z_][a-z_0-9]{0,5}(\.[a-z_]{1,5}){0,2}", fullmatch=True), max_size=3).map(
        tuple
    ),
    st.lists(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True), max_size=3).map(tuple),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(_EXTRAS, max_size=3, unique_by=lambda extra: extra.name))
def test_what_a_lock_notes_is_read_back(extras: list[Extra]) -> None:
    expected = tuple(sorted(extras, key=lambda extra: extra.name))
    assert read(write(extras)) == expected
    versions = {extra.name.replace("-", "_"): "1.0" for extra in extras if extra.name != "ctranslate2"}
    text = render(lock(*extras, **versions))
    assert parse(text).extras == expected
    assert render(parse(text)) == text
    assert ("# extras:" in text) == bool(extras)


@pytest.mark.parametrize(
    "value",
    [
        "[]",
        "{}",
        "{",
        '{"nltk":{}}',
        '{"nltk":{"commands":["../sh"],"modules":[],"specifier":""}}',
        '{"nltk":{"commands":[],"modules":["os; evil"],"specifier":""}}',
        '{"nltk":{"commands":"nltk","modules":[],"specifier":""}}',
        '{"NLTK":{"commands":[],"modules":[],"specifier":""}}',
        '{"absent":{"commands":[],"modules":[],"specifier":""}}',
        '{"nltk": {"commands":[],"modules":[],"specifier":""}}',
    ],
)
def test_an_edited_note_makes_the_lock_malformed(value: str) -> None:
    text = render(lock(NLTK, nltk="3.9.2"))
    line = next(line for line in text.splitlines() if line.startswith("# extras:"))
    with pytest.raises(Problem) as caught:
        parse(text.replace(line, f"# extras: {value}"), "x.txt")
    assert caught.value.rule == "lock.malformed" and "line 4" in caught.value.where


@pytest.mark.parametrize(
    ("extras", "plan", "said"),
    [
        ([NLTK], {}, ""),
        ([], {}, "its extras are nothing, asked for are nltk"),
        ([NLTK], {"extras": {}, "requirements": []}, "its extras are nltk, asked for are nothing"),
        (
            [NLTK],
            {"extras": {"nltk": ">=4"}, "requirements": ["nltk>=4"]},
            "nltk 3.9.2: the host needs nltk>=4",
        ),
    ],
)
def test_a_lock_fits_only_with_the_same_extras(extras: list[Extra], plan: dict[str, Any], said: str) -> None:
    wanted = {**PLAN, "requirements": ["nltk>=3.9"], **plan}
    found = misfits(lock(*extras, nltk="3.9.2"), wanted)
    assert [said in entry for entry in found] == ([True] if said else []), found


def test_a_lock_of_other_extras_is_not_adopted() -> None:
    plan = {**PLAN, "requirements": []}
    other = lock(Extra("nltk", ">=3.8", ("nltk",)), nltk="3.9.2")
    assert best_fit({"a": other}, plan) is None
    assert best_fit({"a": other, "b": lock(NLTK, nltk="3.9.2")}, plan) == "b"


@pytest.mark.parametrize(
    ("name", "members", "found"),
    [
        ("nltk", ["nltk/__init__.py", "nltk/a/__init__.py", "tests/__init__.py"], ["nltk"]),
        ("wyoming-faster-whisper", ["wyoming_faster_whisper/__init__.py"], ["wyoming_faster_whisper"]),
        ("six", ["six.py", "six-1.dist-info/METADATA"], ["six"]),
        ("pyyaml", ["yaml/__init__.py", "_yaml/__init__.py"], ["yaml"]),
        ("x", ["fast.cpython-313-x86_64-linux-gnu.so", "slow.abi3.so"], ["fast", "slow"]),
        ("google-cloud-storage", ["google/cloud/storage/__init__.py"], ["google.cloud.storage"]),
        ("p", ["p-1.data/purelib/p/__init__.py", "p-1.data/data/etc/q/__init__.py"], ["p"]),
        ("types-x", ["x-stubs/__init__.pyi"], []),
        ("meta", ["meta-1.dist-info/METADATA"], []),
        ("odd", ["../evil/__init__.py", "a b/__init__.py", "1x.py"], []),
    ],
)
def test_the_modules_of_a_wheel(name: str, members: list[str], found: list[str]) -> None:
    assert modules_of(members, name) == found


def test_the_commands_of_a_wheel() -> None:
    points = "[console_scripts]\nnltk = nltk.cli:cli\nB.x=b:c [e]\n../sh = a:b\npython3 = a:b\n"
    points += "[gui_scripts]\ng=h:i\n"
    assert commands_of(["n-1.data/scripts/tool", "n-1.data/scripts/sub/no", "tool2"], points) == [
        "B.x",
        "nltk",
        "tool",
    ]
    assert commands_of([], "") == []


@pytest.mark.parametrize("damage", [b"", b"no zip", None])
def test_a_wheel_that_cannot_be_read_is_named(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "odd-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("odd-1.dist-info/entry_points.txt", "nonsense\n\xff[")
    if damage is not None:
        path.write_bytes(damage)
    with pytest.raises(Problem) as caught:
        read_contents(path, "odd")
    assert caught.value.rule == "lock.wheel" and path.name in caught.value.found


def test_where_pins_leave_no_room_all_but_torch_and_cuda_may_move() -> None:
    plan = relaxed({**PLAN, "pins": {**PLAN["pins"], "nvidia-cublas": "1"}})
    assert plan["pins"] == {"torch": "2.8.0", "nvidia-cublas": "1"}
    assert plan["requirements"] == ["ctranslate2>=4.6.0,<=4.8.5", "nltk>=3.9", "torch==2.8.0"]
    assert moved(PLAN, packages(ctranslate2="4.6.0", numpy="2.5.5", torch="2.8.0+cpu", nltk="3.9.2")) == (
        "to leave room for nltk, the lock takes ctranslate2 4.6.0 instead of 4.8.5",
    )
    assert moved(PLAN, packages(ctranslate2="4.8.5")) == ()


def test_what_the_catalogue_knows_beyond_metadata_holds_for_what_extras_bring() -> None:
    row = {"package": "faster-whisper", "versions": ">=1", "adds": ["requests"], "limits": ["av<19"]}
    plan = {**PLAN, "amendments": [row, {**row, "package": "other", "limits": ["x<1"]}]}
    brought = packages(**{"faster-whisper": "1.2.1"})
    found = amended(plan, brought)
    assert found is not None
    assert found["limits"] == ["av<19"] and found["requirements"][-1] == "requests"
    assert amended(found, brought) is None
    assert amended({**plan, "pins": {"faster-whisper": "1.2.1"}}, brought) is None
    assert amended(plan, packages(**{"faster-whisper": "0.9"})) is None


def test_torch_is_for_the_plan_to_choose() -> None:
    check_extras({"torch": "2.8.0"}, PLAN)
    check_extras({"torch": "2.8.0"}, {**PLAN, "pins": {}, "extras": {}})
    with pytest.raises(Problem) as caught:
        check_extras({"torch": "2.8.0"}, {**PLAN, "pins": {}})
    assert caught.value.rule == "lock.extra-torch" and '{torch: ""}' in caught.value.remedy


def test_a_command_has_one_owner() -> None:
    check_commands([NLTK, Extra("b", commands=("b",))], PLAN)
    for extras in ([Extra("b", commands=("whisperx",))], [NLTK, Extra("b", commands=("nltk",))]):
        with pytest.raises(Problem) as caught:
            check_commands(extras, PLAN)
        assert caught.value.rule == "lock.command-clash"
        assert "b and " in caught.value.found


def test_a_conflict_names_both_sides() -> None:
    said = about_extras(Problem("lock.unsatisfiable", "no set: because", "uv", "w", "r"), PLAN)
    assert said.rule == "lock.unsatisfiable"
    assert "nltk>=3.9 (whisperx_plan_extras)" in said.found and "ctranslate2 (whisperx_plan" in said.found
    assert said.found.endswith("because")
    other = Problem("lock.index", "f", "w", "w", "r")
    assert about_extras(other, PLAN) is other


def test_commands_are_chosen_by_name() -> None:
    known = ["whisperx", "nltk"]
    assert chosen(known, [], "v") == () and chosen(known, ["nltk", "whisperx"], "v") == ()
    assert chosen(known, ["nltk"], "v") == ("nltk",)
    with pytest.raises(Problem) as caught:
        chosen(known, ["nltk", "ls"], "whisperx_venv_commands")
    assert (caught.value.rule, caught.value.where) == ("env.unknown-command", "whisperx_venv_commands")
    assert "command ls" in caught.value.found and "whisperx, nltk" in caught.value.wanted
    assert commands([NLTK]) == ["nltk"]
    assert imports([NLTK]) == [{"package": "nltk", "module": "nltk", "optional": False}]
    assert json.loads(write([NLTK])) == {
        "nltk": {"commands": ["nltk"], "modules": ["nltk"], "specifier": ">=3.9"}
    }
