"""What `make test` runs: everything, once, and in an order that can end."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import run_tests
from tools.suite.jobs import PROOFS, SECTIONS, limit, scenarios, select
from tools.suite.schedule import Job

ROOT = Path(__file__).resolve().parents[3]


def test_every_scenario_runs_and_every_title_is_one() -> None:
    titles = [job.title for job in select("test", [])]
    assert len(titles) == len(set(titles))
    on_disk = {path.parent.name for path in ROOT.glob("molecule/*/molecule.yml")}
    assert {f"molecule {name}" for name in on_disk} == {
        name for name in titles if name.startswith("molecule ")
    }
    assert {"ruff", "mypy", "yamllint", "ansible-lint", "unit tests", "integration tests"} <= set(titles)


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_waits_only_for_what_is_in_it_and_ends_in_time(section: str) -> None:
    jobs = select(section, [])
    assert jobs
    titles = [job.title for job in jobs]
    for number, job in enumerate(jobs):
        assert {*job.after, *job.needs} <= set(titles[:number])
        assert job.limit <= limit(section)


def test_one_scenario_can_be_named_and_a_wrong_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert [job.title for job in select("molecule", ["upgrade"])] == ["test images", "molecule upgrade"]
    with pytest.raises(SystemExit):
        run_tests.main(["molecule", "upgarde"])
    assert f"there are {', '.join(scenarios())}" in capsys.readouterr().err


def test_the_proofs_are_targets_of_make() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert [name for name in PROOFS if not re.search(rf"(?m)^{name}:", makefile)] == []


def test_each_output_is_printed_whole_with_how_it_ended(capfd: pytest.CaptureFixture[str]) -> None:
    jobs = (
        Job("good", ("sh", "-c", "echo from good")),
        Job("bad", ("sh", "-c", "echo from bad; exit 4")),
        Job("behind", ("true",), needs=("bad",)),
        Job("tested", ("sh", "-c", "exit 0"), tests=True, after=("good", "bad", "behind")),
    )
    count = run_tests.run(jobs, 60)
    printed = capfd.readouterr().out
    assert re.search(r"==== good =+\nfrom good\ngood: ok in", printed)
    assert re.search(r"==== bad =+\nfrom bad\nbad: FAILED, exit 4 in", printed)
    # A run of pytest that wrote no report proved nothing.
    assert (count.passed, count.failed) == (1, 3)
    assert set(count.names) == {
        "bad: exit 4",
        "behind: not run, bad failed",
        "pytest: no tests, no report",
    }
