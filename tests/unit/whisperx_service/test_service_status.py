"""How services are, as the report takes it."""

from __future__ import annotations

from module_utils.whisperx_service.status import status

UP, DOWN = {"ActiveState": "active"}, {"ActiveState": "failed"}
GOOD = {"healthy": True, "release": "r"}


def test_a_service_is_healthy_if_it_passed_its_check_and_every_instance_runs() -> None:
    units = {"a": ["a@0", "a@1"], "b": ["b"], "c": ["c"]}
    shown = {"a@0": UP, "a@1": DOWN, "b": UP}
    found = status({"a": GOOD, "b": GOOD}, units, shown, {"b"})
    assert found == [
        {"name": "a", "state": "1 of 2 active", "healthy": False, "release": "r", "restarted": False},
        {"name": "b", "state": "active", "healthy": True, "release": "r", "restarted": True},
        {"name": "c", "state": "unknown", "healthy": False, "release": "", "restarted": False},
    ]
    assert not status({"b": {"healthy": False}}, {"b": ["b"]}, {"b": UP}, set())[0]["healthy"]
