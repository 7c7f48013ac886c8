"""What-if: an earlier plan against this one, and files that are no plan."""

from __future__ import annotations

import json

import pytest

from module_utils.whisperx_plan.decide import decide
from module_utils.whisperx_plan.model import Request
from module_utils.whisperx_plan.output.comparison import change_lines, changes, read_plan
from module_utils.whisperx_plan.output.document import render
from module_utils.whisperx_problem import Problem
from tests.unit.whisperx_catalogue.knowledge import catalogue
from tests.unit.whisperx_plan.hosts import facts, with_gpu

OLD = Request.make({"whisperx": "==3.4.5"}, remedies=["upgrade"])
BOOKWORM = facts("2.36", ("3.11.2",), ("debian", "12"))
TRIXIE = {**BOOKWORM, "libc": {"family": "glibc", "version": "2.41"}}


def compared(tmp_path, before, after, request=OLD):
    file = tmp_path / "before.json"
    file.write_text(render(decide(before, request, catalogue())))
    return changes(read_plan(str(file)), decide(after, request, catalogue()))


def test_the_fleet_after_glibc_241(tmp_path):
    found = compared(tmp_path, {"a": BOOKWORM, "b": BOOKWORM}, {"a": TRIXIE, "b": BOOKWORM})
    assert [entry["host"] for entry in found["breaks"]] == ["a"]
    assert "executable stack" in found["breaks"][0]["reason"]
    assert found["unchanged"] == 1
    lines = "\n".join(change_lines(found))
    assert "would break (1):" in lines and "executable stack" in lines


def test_what_the_earlier_plan_said_too_is_not_the_cause(tmp_path):
    gpu = ("8.9", ("570.124.06", "12.8"))
    found = compared(tmp_path, {"a": with_gpu(BOOKWORM, *gpu)}, {"a": with_gpu(TRIXIE, *gpu)})
    assert "executable stack" in found["breaks"][0]["reason"]


def test_the_way_back_is_a_cure(tmp_path):
    found = compared(tmp_path, {"a": TRIXIE}, {"a": BOOKWORM})
    assert [entry["host"] for entry in found["cured"]] == ["a"]
    assert "executable stack" in found["cured"][0]["reason"]


def test_a_better_driver_moves_class_and_versions(tmp_path):
    base = facts("2.35", ("3.10.12",))
    before = {"h": with_gpu(base, "9.0", ("535.183.01", "12.2"))}
    after = {"h": with_gpu(base, "9.0", ("580.95.05", "13.0"))}
    found = compared(tmp_path, before, after, Request.make({"whisperx": ""}))
    assert found["class"][0]["from"] != found["class"][0]["to"]
    assert found["versions"] == [{"host": "h", "pins": {"ctranslate2": ["4.6.0", "4.8.5"]}}]
    assert not found["breaks"] and not found["cured"] and found["unchanged"] == 0


def test_hosts_come_and_go(tmp_path):
    found = compared(tmp_path, {"old": BOOKWORM, "same": TRIXIE}, {"new": {}, "same": TRIXIE})
    assert found["new"] == [{"host": "new", "verdict": "refused"}]
    assert found["gone"] == [{"host": "old", "verdict": "plan"}]
    assert found["unchanged"] == 1


def plan_of(**host):
    return {"schema": 1, "hosts": {"a": {"verdict": "plan", "class": "c", **host}}}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"not JSON",
        b"[" * 100_000,
        b"1" * 10_000,
        b"[]",
        b"{}",
        b'{"schema": 2, "hosts": {}}',
        b'{"schema": true, "hosts": {}}',
        b'{"schema": 1}',
        b'{"schema": 1, "hosts": []}',
        b'{"schema": 1, "hosts": {"a": null}}',
        b'{"schema": 1, "hosts": {"a": {}}}',
        *(
            json.dumps(plan_of(**host)).encode()
            for host in (
                {"verdict": "maybe"},
                {"class": None},
                {"class": []},
                {"pins": []},
                {"pins": {"torch": 2.4}},
                {"reasons": {}},
                {"reasons": [1]},
                {"reasons": [{"sentence": {}}]},
                {"reasons": [{"rule": []}]},
                {"device": []},
            )
        ),
    ],
)
def test_what_is_no_plan_is_told(tmp_path, content):
    file = tmp_path / "plan.json"
    file.write_bytes(content)
    with pytest.raises(Problem) as caught:
        read_plan(str(file))
    problem = caught.value
    assert problem.rule == "plan.compare"
    assert problem.found and str(file) in problem.where and problem.wanted and problem.remedy


@pytest.mark.parametrize("name", ["missing.json", ".", "a/b", "x\0y"])
def test_a_file_that_is_not_there_is_told(tmp_path, name):
    with pytest.raises(Problem) as caught:
        read_plan(f"{tmp_path}/{name}")
    assert caught.value.rule == "plan.compare"


def test_lines_do_not_steer_the_terminal(tmp_path):
    file = tmp_path / "plan.json"
    hostile = "\x1b[2J\r\n\u202eevil\ud800"
    refused = {"verdict": "refused", "class": None, "reasons": [{"sentence": hostile}]}
    file.write_text(json.dumps({"schema": 1, "hosts": {hostile: plan_of()["hosts"]["a"], "a": refused}}))
    lines = change_lines(changes(read_plan(str(file)), decide({"a": BOOKWORM}, OLD, catalogue())))
    assert all(line.isprintable() for line in lines) and "evil" in "".join(lines)
