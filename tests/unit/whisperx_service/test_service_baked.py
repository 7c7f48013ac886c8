"""Services of an image, on a tree: units that wait for the verdict of the first boot, and start nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from module_utils.whisperx_common.files import write_json
from module_utils.whisperx_problem import Problem
from module_utils.whisperx_release.followers import Followed
from module_utils.whisperx_release.model import Layout
from module_utils.whisperx_service import baked, records, survey, units
from module_utils.whisperx_service.model import services_of

COMMANDS = {"r-cuda": ("serve", "python"), "r-cpu": ("serve", "python", "other")}
RELEASES = tuple(COMMANDS)
# What plans and locks say of them.
PROMISED = [Followed(name, commands, name[2:]) for name, commands in COMMANDS.items()]


class Tree:
    """The root of an image with two releases; units go below it."""

    def __init__(self, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.layout, self.units = Layout(str(top / "whisperx"), "", ""), top / "systemd"
        for module in (baked, survey):
            monkeypatch.setattr(module, "DIRECTORY", str(self.units))
        for name, commands in COMMANDS.items():
            launch = Path(self.layout.release(name)) / "launch"
            launch.mkdir(parents=True)
            for command in commands:
                (launch / command).write_text("#!/bin/sh\n")
            write_json(self.layout.release(name) + "/release.json", {"device": name[2:]})
        self.units.mkdir()
        (self.units / survey.FIRST_BOOT).write_text("[Service]\nType=oneshot\nExecStart=/bin/true\n")

    def install(self, check: bool = False, **services: Any) -> list[str]:
        return baked.install(self.layout, services_of(services), RELEASES, check)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    return Tree(tmp_path, monkeypatch)


def test_units_are_enabled_and_wait_for_the_verdict(tree: Tree) -> None:
    predicted = tree.install(check=True, one={"command": "serve", "environment": {"A": "b"}})
    assert sorted(os.listdir(tree.units)) == [survey.FIRST_BOOT]
    done = tree.install(one={"command": "serve", "environment": {"A": "b"}})
    assert predicted == done == ["Wrote whisperx-one.service"]
    assert tree.install(one={"command": "serve", "environment": {"A": "b"}}) == []
    unit = tree.units / "whisperx-one.service"
    text = unit.read_text()
    assert f"\nRequires={survey.FIRST_BOOT}\nAfter={survey.FIRST_BOOT}\n" in text
    # One of the releases is for the GPU.
    assert "DeviceAllow=char-nvidia" in text
    assert (tree.units / "whisperx.target.wants/whisperx-one.service").resolve() == unit
    assert (tree.units / "multi-user.target.wants" / units.TARGET).resolve() == tree.units / units.TARGET
    (record,) = records.all_of(tree.layout).values()
    assert record["units"] == ["whisperx-one.service"] and record["healthy"] is False
    secret = Path(tree.layout.root) / "services/one.env"
    assert secret.stat().st_mode & 0o777 == 0o600 and secret.read_text() == 'A="b"\n'


def test_a_service_that_is_no_longer_named_goes(tree: Tree) -> None:
    tree.install(one={"command": "serve"}, two={"command": "serve 2"})
    assert tree.install(two={"command": "serve 2"}) == ["Removed service one"]
    left = [path.name for path in tree.units.rglob("*one*")]
    assert left == []
    # What a machine made from the image may have of it is known to a removal of everything.
    gone = records.all_of(tree.layout)["one"]
    assert gone["dropped"] and gone["states"] == ["whisperx-one.service"]
    assert tree.install(two={"command": "serve 2"}) == []


@pytest.mark.parametrize(
    ("services", "rule", "told"),
    [
        # The other release does not have it, and is the one that is named.
        ({"one": {"command": "other"}}, "service.unknown-command", "release r-cuda has no command 'other'"),
        (
            {"one": {"command": "serve", "health": {"command": "othr"}}},
            "service.unknown-command",
            "release r-cuda has no command 'othr'",
        ),
        (
            {"one": {"command": "serve", "health": {"command": "/nonexistent"}}},
            "service.unknown-command",
            "no program /nonexistent",
        ),
        ({"one": {"command": "serve {instance}", "instances": "gpu"}}, "service.no-gpu", "one instance per"),
        ({"one": {"command": "serve", "secrets": {"A": "x"}}}, "service.secret-in-image", "secrets"),
        ({"one": {"command": "serve", "user": "nobody-here"}}, "service.no-user", "nobody-here"),
        ({"one": {"command": "serve", "writable": "/nonexistent"}}, "service.no-directory", "/nonexistent"),
        ({"foreign": {"command": "serve"}}, "service.foreign-unit", "whisperx-foreign.service"),
        (
            {"a": {"command": "serve --port 7000"}, "b": {"command": "serve", "health": {"tcp": 7000}}},
            "service.port-in-use",
            "port 7000 is in use by whisperx-a.service, also in whisperx_services",
        ),
    ],
)
def test_what_no_image_can_have_is_refused_before_anything_is_built_or_changed(
    tree: Tree, services: dict[str, Any], rule: str, told: str
) -> None:
    (tree.units / "whisperx-foreign.service").write_text("[Service]\nExecStart=/bin/true\n")
    before = sorted(os.listdir(tree.units))

    def refused(act: Callable[[], object]) -> None:
        with pytest.raises(Problem) as caught:
            act()
        assert caught.value.rule == rule and told in caught.value.found and caught.value.remedy
        assert sorted(os.listdir(tree.units)) == before

    for check in (True, False):
        refused(lambda check=check: tree.install(check, **services))
    shutil.rmtree(tree.layout.path("releases"))
    refused(lambda: baked.inspect(tree.layout, services_of(services), PROMISED))


def test_what_an_image_can_have_is_not_refused_before_it_is_built(tree: Tree) -> None:
    shutil.rmtree(tree.layout.path("releases"))
    good = {"one": {"command": "serve", "port": 7000, "health": {"command": "python -m x"}}}
    baked.inspect(tree.layout, services_of(good), PROMISED)
    assert tree.install(check=True, **good) == ["Wrote whisperx-one.service"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not on this machine")
def test_systemd_finds_nothing_wrong_with_the_tree(tree: Tree) -> None:
    tree.install(one={"command": "serve"})
    path = tree.units / "whisperx-one.service"
    text = path.read_text().replace(f'"{tree.layout.root}/current/launch/serve"', "/bin/true")
    path.write_text(text)
    settings = os.environ | {"SYSTEMD_UNIT_PATH": f"{tree.units}:"}
    done = subprocess.run(
        ["systemd-analyze", "verify", path], capture_output=True, text=True, check=False, env=settings
    )
    ours = [line for line in done.stderr.splitlines() if "whisperx-one" in line or "firstboot" in line]
    assert done.returncode == 0 and ours == [], done.stderr
