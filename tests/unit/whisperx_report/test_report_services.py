"""The services of hosts in the record of a run, in its lines and on its page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from module_utils.whisperx_report.collect import report
from module_utils.whisperx_report.page import render
from module_utils.whisperx_report.terminal import lines

TEMPLATES = str(Path(__file__).resolve().parents[3] / "roles" / "whisperx_report" / "files" / "page")
SERVED = {"name": "wyoming", "state": "active", "healthy": True, "release": "b", "restarted": True}
DONE = {"actions": ["Switched from a to b"], "release": "b", "predicted": False, "services": [SERVED]}
RUN = {"at": "2026-11-30 10:00 UTC", "playbook": "site", "check": False}


def made(check: bool = False, **results: dict[str, Any]) -> dict[str, Any]:
    return report(list(results), {"result": results}, {**RUN, "check": check})


def test_each_host_has_its_services_in_record_lines_and_page() -> None:
    record = made(a=DONE, b={"release": "b"})
    assert record["hosts"]["a"]["services"] == [SERVED] and record["hosts"]["b"]["services"] == []
    sentence = "wyoming: active, healthy, restarted, release b"
    assert f"a: service {sentence}" in lines(record, {})
    assert sentence in render(record, TEMPLATES)
    assert "a: service wyoming: active, healthy, would restart, release b" in lines(made(True, a=DONE), {})


def test_a_prediction_restarted_nothing() -> None:
    waits = made(a={**DONE, "predicted": True})["hosts"]["a"]
    assert waits["state"] == "held" and waits["services"] == [{**SERVED, "restarted": False}]


def test_many_hosts_have_their_services_counted_and_the_ill_ones_named() -> None:
    ill = {**DONE, "actions": [], "services": [{**SERVED, "healthy": False, "restarted": False}]}
    record = made(**{f"h{number:02}": DONE for number in range(11)}, odd=ill)
    told = lines(record, {})
    assert "services: 11 of 12 healthy, 11 restarted" in told
    assert "service wyoming: not healthy on 1 (odd)" in told
    assert not any("services" in line for line in lines(made(**{name: {} for name in "abcdefghijkl"}), {}))


def test_what_a_host_says_of_services_is_taken_in_their_shape_alone() -> None:
    odd = {
        **DONE,
        "services": ["x", {"name": ["y"]}, {"name": "z", "state": {}, "healthy": "yes", "restarted": 1}],
    }
    row = {"name": "z", "state": "", "healthy": False, "release": "", "restarted": False}
    assert made(a=odd)["hosts"]["a"]["services"] == [row]
