"""The images that a batch needs."""

from __future__ import annotations

from typing import Any

from module_utils.whisperx_fleet.images import image_options
from module_utils.whisperx_fleet.variables import Fleet


class HostVars(dict[str, Any]):
    """Hostvars without templates."""

    def raw_get(self, host_name: str) -> Any:
        return self[host_name]


def plan(name: str, runtime: str = "container", verdict: str = "plan") -> dict[str, str]:
    return {"verdict": verdict, "class": name, "runtime": runtime}


def test_a_class_is_built_once_with_the_root_of_its_first_host_and_pushed_wherever_a_host_pulls() -> None:
    variables = {
        "a": {"whisperx_plan_container_root": "/srv/a.tar", "whisperx_container_registry": "one"},
        "b": {"whisperx_container_registry": "two"},
        "c": {},
        "d": {"whisperx_container_registry": "one"},
        "e": {},
        "f": {},
        "outside": {},
    }
    plans = {
        "outside": plan("k1"),
        "b": plan("k2"),
        "a": plan("k1"),
        "c": plan("k1", runtime="venv"),
        "d": plan("k1"),
        "e": plan("k3", verdict="refused"),
        "f": plan("k1"),
    }
    batch = [name for name in variables if name != "outside"]
    fleet = Fleet({"ansible_play_batch": batch, "hostvars": HostVars(variables)})
    assert image_options(plans, fleet) == {
        "plans": {"k1": plans["a"], "k2": plans["b"]},
        "roots": {"k1": "/srv/a.tar", "k2": ""},
        "registries": [["k2", "two"], ["k1", "one"], ["k1", ""]],
    }


def test_without_containers_nothing_is_built() -> None:
    fleet = Fleet({"ansible_play_batch": ["a"], "hostvars": HostVars({"a": {}})})
    assert image_options({"a": plan("k", runtime="venv")}, fleet) == {
        "plans": {},
        "roots": {},
        "registries": [],
    }
