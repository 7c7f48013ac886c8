"""Lines of logs from the field: each names its failure and no other; healthy and unknown logs name none."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from module_utils.whisperx_doctor.consult import Where, consult
from module_utils.whisperx_doctor.match import match
from module_utils.whisperx_doctor.records import Asked
from tests.unit.whisperx_doctor.patients import HOST, patient, symptom
from tests.unit.whisperx_doctor.small_venv import make_venv
from tools.troubleshooting import knowledge

DOCUMENT = knowledge()
ROWS = DOCUMENT["failures"]

FIXTURE = Path(__file__).resolve().parents[2] / "fixtures/doctor-logs.yml"
_LOGS = yaml.safe_load(FIXTURE.read_text(encoding="utf-8"))
LINES: dict[str, tuple[str, list[str]]] = {
    item["row"]: (item["says"], item["lines"]) for item in _LOGS["lines"]
}
HEALTHY: dict[str, str] = {item["name"]: item["log"] for item in _LOGS["healthy"]}


def explain(text: str, name: str, folder: Path) -> tuple[list[str], str]:
    """Return the rows that know ``text`` as the log ``name``, and the page."""
    log = folder / f"{name}.log"
    log.write_text(text)
    told = consult(Where(logs=[str(log)]), Asked(), DOCUMENT)
    (only,) = told["environments"]
    assert told["exit_code"] == 2 and only["failures"] == []
    return only["logs"][0]["known"], " ".join(" ".join(told["page"]).split())


@pytest.mark.parametrize("name", LINES)
def test_a_line_names_its_failure_and_no_other(name: str) -> None:
    """Cross-check: of all rows only this one knows the line, on a host that could have written it."""
    words, lines = LINES[name]
    for line in lines:
        facts = {**HOST, "nvidia_driver": {"state": "unusable"}}
        sick = patient(symptom(line, kind="log", name="x.log", minor=True), facts=facts, ran="none")
        found = [item for item in match(ROWS, sick) if item.symptoms]
        assert [item.row["id"] for item in found] == [name], line
        said = f"{found[0].row['sentence']} {found[0].row['cure']}"
        assert words in said and "…" not in said and "{" not in said, said


@pytest.mark.parametrize("name", sorted(set(LINES) - {"failure.insufficient-driver"}))
def test_a_page_shows_the_line_and_what_to_do(tmp_path: Path, name: str) -> None:
    words, lines = LINES[name]
    text = f"starting\n{HEALTHY['whisperx']}\n{lines[0]}\nstopped\n"
    known, page = explain(text, "service", tmp_path)
    assert known == [name]
    assert words in page and "What to do" in page and "no known failure" not in page


@pytest.mark.parametrize("name", HEALTHY)
def test_a_log_without_a_known_failure_is_said_to_have_none(tmp_path: Path, name: str) -> None:
    known, page = explain(HEALTHY[name], name.replace(" ", "-"), tmp_path)
    assert known == []
    assert "no known failure is in this log" in page
    assert "nothing here can run" not in page


def test_an_unknown_log_beside_an_environment_is_said_too(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text(HEALTHY["unknown"])
    venv = make_venv(tmp_path / "venv", {"numpy": ""})
    told = consult(Where([str(venv)], logs=[str(log)]), Asked(level="import"), DOCUMENT)
    assert told["verdict"] == "fit"
    assert "no known failure is in this log" in " ".join(" ".join(told["page"]).split())


def test_a_fact_that_was_not_read_decides_nothing() -> None:
    """Without facts a log is explained by its words alone, not by what an empty record seems to say."""
    line = LINES["failure.insufficient-driver"][1][0]
    sick = patient(symptom(line, kind="log", minor=True), facts={}, ran="none")
    assert [item.row["id"] for item in match(ROWS, sick)] == ["failure.insufficient-driver"]


def test_on_a_machine_of_small_pages_a_misaligned_library_is_damaged_or_built_wrongly() -> None:
    line = LINES["failure.page-size"][1][0]
    big = patient(symptom(line), facts={**HOST, "machine": "aarch64"})
    assert [item.row["id"] for item in match(ROWS, big)] == ["failure.page-size"]
    assert [item.row["id"] for item in match(ROWS, patient(symptom(line)))] == ["failure.damaged-library"]
