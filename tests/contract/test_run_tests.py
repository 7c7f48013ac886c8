"""The closing count hides nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.run_tests import Count, count_junit

SUITE = '<testsuites><testsuite tests="{}" failures="{}" errors="{}" skipped="{}"/></testsuites>'


@pytest.mark.parametrize(
    ("numbers", "code", "expected"),
    [
        ((10, 0, 0, 0), 0, Count(10, 0, 0)),
        ((10, 2, 1, 3), 1, Count(4, 3, 3)),
        # An interrupt, or a suite in which nothing was collected, is a failure although no test failed.
        ((4, 0, 0, 0), 2, Count(4, 1, 0)),
        ((0, 0, 0, 0), 5, Count(0, 1, 0)),
    ],
)
def test_counts_what_pytest_wrote(
    tmp_path: Path, numbers: tuple[int, ...], code: int, expected: Count
) -> None:
    report = tmp_path / "junit.xml"
    report.write_text(SUITE.format(*numbers), encoding="utf-8")
    assert count_junit(report, code) == expected


def test_a_crash_without_a_report_is_a_failure(tmp_path: Path) -> None:
    assert count_junit(tmp_path / "junit.xml", -11) == Count(0, 1, 0)


def test_skipped_tests_are_said() -> None:
    assert str(Count(3, 0, 0) + Count(1, 1, 2)) == "4 passed, 1 failed, 2 skipped"
    assert str(Count(3, 0, 0)) == "3 passed, 0 failed"
