"""The closing count hides nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.suite.count import Count, count_command, count_junit, reasons, slowest

SUITE = '<testsuites><testsuite tests="{}" failures="{}" errors="{}" skipped="{}"/></testsuites>'
NAMED = """<testsuites><testsuite tests="3" failures="1" errors="1" skipped="0">
<testcase classname="tests.a" name="test_good"/>
<testcase classname="tests.a" name="test_bad"><failure message="assert 1 == 2&#10; + more">trace</failure>
</testcase>
<testcase classname="tests.b" name="test_set_up"><error message="failed on setup">trace</error></testcase>
</testsuite></testsuites>"""


@pytest.mark.parametrize(
    ("numbers", "failure", "expected"),
    [
        ((10, 0, 0, 0), "", Count(10, 0, 0)),
        ((10, 2, 1, 3), "exit 1", Count(4, 3, 3)),
        # An interrupt, or a suite in which nothing was collected, is a failure although no test failed.
        ((4, 0, 0, 0), "exit 2", Count(4, 1, 0, ("pytest: exit 2, no test failed",))),
        ((0, 0, 0, 0), "exit 5", Count(0, 1, 0, ("pytest: exit 5, no test failed",))),
    ],
)
def test_counts_what_pytest_wrote(
    tmp_path: Path, numbers: tuple[int, ...], failure: str, expected: Count
) -> None:
    report = tmp_path / "junit.xml"
    report.write_text(SUITE.format(*numbers), encoding="utf-8")
    assert count_junit(report, failure) == expected


def test_a_crash_without_a_report_is_a_failure(tmp_path: Path) -> None:
    assert count_junit(tmp_path / "junit.xml", "exit -11") == Count(0, 1, 0, ("pytest: exit -11, no report",))


def test_every_failure_has_a_line_of_its_own(tmp_path: Path) -> None:
    report = tmp_path / "junit.xml"
    report.write_text(NAMED, encoding="utf-8")
    assert (count_junit(report, "exit 1") + Count()).names == (
        "tests.a::test_bad: assert 1 == 2",
        "tests.b::test_set_up: failed on setup",
    )


def test_skipped_tests_are_said() -> None:
    assert str(Count(3, 0, 0) + Count(1, 1, 2)) == "4 passed, 1 failed, 2 skipped"
    assert str(Count(3, 0, 0)) == "3 passed, 0 failed"


def test_no_report_is_a_failure_although_pytest_ended_well(tmp_path: Path) -> None:
    assert count_junit(tmp_path / "junit.xml", "").failed == 1


def test_the_slowest_are_named_whatever_they_are() -> None:
    count = Count(seconds=(("quick", 1.0), ("slow", 60.25))) + count_command("whole", "exit 1", 1000.0)
    assert slowest(count, 2) == [" 1000.0 s  whole", "   60.2 s  slow"]
    assert count.names == ("whole: exit 1",)


def test_a_failed_scenario_says_its_task_and_reason(tmp_path: Path) -> None:
    output = tmp_path / "out.log"
    output.write_text(
        "TASK [First] *****\nok: [a]\nTASK [Second : with a name] ****\n"
        f'fatal: [a]: FAILED! => {{"msg": "{"x" * 999}"}}\nPLAY RECAP ****\n',
        "utf-8",
    )
    why = reasons(output)
    assert why[0] == "TASK [Second : with a name]" and why[1].startswith("fatal: [a]") and len(why[1]) == 400
    assert count_command("molecule x", "exit 2", 1.0, why).names[0].splitlines()[1].strip() == why[0]
    assert reasons(tmp_path / "none") == ()
