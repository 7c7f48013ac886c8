"""Services in an audit and for the doctor. SIMULATED: what systemd says; records and unit files are real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from module_utils.whisperx_audit import services
from module_utils.whisperx_common.files import write_json
from module_utils.whisperx_doctor.daemons import logged
from module_utils.whisperx_release.model import Layout
from module_utils.whisperx_service import records
from module_utils.whisperx_service.systemd import Systemd

UNIT = "whisperx-one.service"


class Told(Systemd):
    def __init__(self, state: str, result: str = "success") -> None:
        super().__init__()
        self.told = {"ActiveState": state, "Result": result}

    def is_there(self) -> bool:
        return True

    def show(self, units: Any) -> dict[str, dict[str, str]]:
        return dict.fromkeys(units, self.told)

    def journal(self, unit: str, lines: int = 20) -> list[str]:
        return ["libctranslate2.so: cannot enable executable stack"]


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    made = Layout(str(tmp_path / "root"), "", "")
    (tmp_path / "root/services").mkdir(parents=True)
    (tmp_path / "units").mkdir()
    (tmp_path / "units" / UNIT).write_text(f"# Made by whisperx-fleet for {made.root}; more\n")
    monkeypatch.setattr(services, "DIRECTORY", str(tmp_path / "units"))
    note(made)
    return made


def note(layout: Layout, **changes: Any) -> None:
    record = {"schema": 1, "name": "one", "service": {"command": "x"}, "units": [UNIT], "healthy": True}
    write_json(records.path(layout, "one"), record | changes)


def rules(layout: Layout, told: Systemd) -> list[str]:
    return [item.rule for item in services.services(layout, told)]


def test_a_service_that_runs_is_no_finding(layout: Layout) -> None:
    assert rules(layout, Told("active")) == [] and logged(layout.root, Told("active")) == []


def test_one_that_failed_is_named_with_what_it_logged(layout: Layout) -> None:
    (item,) = services.services(layout, Told("failed", "exit-code"))
    assert (item.rule, item.weight) == ("audit.service", "breaks") and "failed (exit-code)" in item.sentence
    (symptom,) = logged(layout.root, Told("failed", "exit-code"))
    assert "executable stack" in symptom.text and symptom.kind == "log"


def test_one_that_did_not_pass_its_check_is_named(layout: Layout) -> None:
    note(layout, healthy=False)
    assert (
        rules(layout, Told("active")) == ["audit.service"] and len(logged(layout.root, Told("active"))) == 1
    )


def test_a_unit_that_somebody_replaced_is_named(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "units" / UNIT).write_text("[Service]\n")
    assert rules(layout, Told("active")) == ["audit.service-unit"]


def test_a_service_that_was_removed_is_none(layout: Layout) -> None:
    note(layout, dropped=True, healthy=False, service={})
    assert rules(layout, Told("inactive")) == [] and logged(layout.root, Told("inactive")) == []
