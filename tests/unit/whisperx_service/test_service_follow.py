"""Which steps services add. SIMULATED: systemd, for what no host of the tests has."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from module_utils.whisperx_problem import Problem
from module_utils.whisperx_release.followers import Followed
from module_utils.whisperx_release.model import Layout, State
from module_utils.whisperx_service.follow import Services
from module_utils.whisperx_service.model import services_of
from module_utils.whisperx_service.systemd import Systemd

MOVES = Followed("r1", ("serve",), "cpu", moves=True)
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="takes root")


class Told(Systemd):
    """A systemd with some units, or one that does not respond."""

    def __init__(self, members: str = "", responds: bool = True) -> None:
        super().__init__()
        self.members = members
        self.responds = responds

    def is_there(self) -> bool:
        return True

    def show(self, units: Sequence[str]) -> dict[str, dict[str, str]]:
        if not self.responds:
            raise Problem("service.systemd", "no bus", "", "", "")
        return {unit: {"ActiveState": "active", "ConsistsOf": self.members} for unit in units}


def steps(folder: Path, told: Systemd, services: object = None) -> list[str]:
    followers = Services(services_of(services), told)
    found = followers.present(Layout(str(folder / "root"), "", ""), State(exists=True), MOVES)
    return [step.sentence for step in found]


def test_units_of_a_site_are_restarted_without_any_service_of_ours(tmp_path: Path) -> None:
    assert steps(tmp_path, Told("site.service")) == ["Restarted site.service"]
    assert steps(tmp_path, Told("")) == []


def test_a_systemd_that_does_not_respond_stops_nobody_without_services(tmp_path: Path) -> None:
    followers = Services((), Told(responds=False))
    layout = Layout(str(tmp_path), "", "")
    assert followers.present(layout, State(exists=True), MOVES) == []
    assert "no bus" in followers.notes()[0]
    with pytest.raises(Problem):
        steps(tmp_path, Told(responds=False), {"one": {"command": "serve"}})


def test_what_a_container_cannot_have_is_refused(tmp_path: Path) -> None:
    followers = Services(services_of({"one": {"command": "serve", "user": "root"}}), Told())
    with pytest.raises(Problem) as caught:
        followers.present(
            Layout(str(tmp_path), "", ""), State(exists=True), Followed("r1", ("serve",), "cpu", "container")
        )
    assert caught.value.rule == "service.runtime"
