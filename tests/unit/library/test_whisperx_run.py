"""The callback of all playbooks: what is printed last, and in between where there is no terminal."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ansible.plugins.callback
import pytest

ROOT = Path(__file__).resolve().parents[3]

ansible.plugins.callback.__path__.append(str(ROOT / "callback_plugins"))
from ansible.plugins.callback import whisperx_run  # noqa: E402


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(whisperx_run.Display, "display", lambda self, text, **_: found.append(text))
    monkeypatch.setenv(whisperx_run.MARK, "")
    return found


def result(host: str, action: str = "whisperx_verify", **values: Any) -> SimpleNamespace:
    return SimpleNamespace(
        host=SimpleNamespace(get_name=lambda: host), task=SimpleNamespace(action=action), result=values
    )


def stats(failures: tuple[str, ...] = (), dark: tuple[str, ...] = ()) -> SimpleNamespace:
    return SimpleNamespace(failures=dict.fromkeys(failures, 1), dark=dict.fromkeys(dark, 1))


def test_the_summary_of_a_report_is_printed_at_the_end_and_nothing_beside_it(printed: list[str]) -> None:
    callback = whisperx_run.CallbackModule()
    callback.v2_runner_on_ok(
        result("a", "whisperx.fleet.whisperx_report", last=True, lines=["a: failed: x", "end"])
    )
    callback.v2_runner_on_failed(result("a", "fail", msg="x"))
    assert printed == []
    callback.v2_playbook_on_stats(stats(("a",)))
    assert printed == ["a: failed: x\nend"]
    callback.v2_playbook_on_stats(stats())
    assert len(printed) == 1


def test_a_run_that_ended_well_has_its_summary_where_it_was_made(printed: list[str]) -> None:
    callback = whisperx_run.CallbackModule()
    callback.v2_runner_on_ok(result("a", "whisperx_report", last=False, lines=["a: changed"]))
    callback.v2_runner_on_failed(result("a", msg="was rescued"), ignore_errors=True)
    callback.v2_playbook_on_stats(stats())
    assert printed == []


def test_a_verb_without_a_report_ends_with_each_reason_once(printed: list[str]) -> None:
    callback = whisperx_run.CallbackModule()
    for name in ("a", "b", "c", "d"):
        callback.v2_runner_on_failed(result(name, msg="no release\nis active"))
    callback.v2_runner_on_unreachable(result("e", msg="timed\x1b[31m out"))
    callback.v2_runner_on_failed(result("f", msg="was rescued"))
    callback.v2_playbook_on_stats(stats(("a", "b", "c", "d"), ("e",)))
    first, second = printed[0].splitlines()
    assert first == "a, b, c and 1 more: failed: no release is active"
    assert second.startswith("e: unreachable: timed") and "\x1b" not in second


def test_a_long_step_is_told_of_now_and_again_and_a_short_one_is_not(printed: list[str]) -> None:
    step = whisperx_run.Step()
    step.begin("short")
    step.add("a")
    step.done("a")
    step.begin("Build the image")
    for name in ("a", "b", "c", "d", "e"):
        step.add(name)
    step.done("b")
    teller = threading.Thread(target=step.tell, args=(0.05,))
    teller.start()
    while len(printed) < 2:
        pass
    step.end()
    teller.join()
    assert printed[0] == "still running after 0 min: Build the image (4 of 5 hosts: a, c, d and 1 more)"
    assert not any("short" in line for line in printed)
