"""The page of a run in a real browser: filter, search and details work, at the size of a large fleet."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from module_utils.whisperx_report.collect import report
from module_utils.whisperx_report.page import render

TEMPLATES = str(Path(__file__).resolve().parents[2] / "roles" / "whisperx_report" / "files" / "page")
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
HOSTS = 2000

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium or google-chrome is installed")


def fleet() -> dict[str, Any]:
    """Return a run over HOSTS hosts: one of a hundred is refused, one has a hostile name for a system."""
    names = [f"db-{number:04}" for number in range(HOSTS)]
    known: dict[str, Any] = {"facts": {}, "plan": {}, "result": {}}
    for number, name in enumerate(names):
        known["facts"][name] = {
            "os": {"id": "debian", "version": "13"},
            "libc": {"family": "glibc", "version": "2.41"},
        }
        known["plan"][name] = {"verdict": "plan", "class": f"c{number % 7}", "pins": {"whisperx": "3.8.6"}}
        known["result"][name] = {
            "record": {"versions": {"whisperx": "3.8.6"}, "device": "cpu"},
            "actions": [],
        }
        if number % 100 == 0:
            reason = {"sentence": "the driver is too old", "rule": "driver.floor", "source": "measured"}
            known["plan"][name] = {"verdict": "refused", "class": None, "reasons": [reason], "remedies": []}
    known["facts"]["db-0042"]["os"]["id"] = "<img src=x onerror=document.title='broken'>"
    return report(names, known, {"at": "2026-11-23 21:00 UTC", "playbook": "site", "check": False})


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(fleet(), TEMPLATES), "utf-8")
    return path


def shown(page: Path, asked: str) -> str:
    """Return the document as the browser has it once its script ran, the filter taken from the address."""
    profile = page.parent / "profile"
    command = [str(BROWSER), "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
    address = f"{page.as_uri()}#{asked}"
    done = subprocess.run(
        [*command, "--dump-dom", address], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout


def visible(document: str) -> list[str]:
    """Return the names of the hosts whose rows are not hidden."""
    rows = re.findall(r"<tr data-state[^>]*>", document)
    names = re.findall(r'<button type="button" aria-expanded="\w+">([^<]*)</button>', document)
    assert len(rows) == len(names) == HOSTS
    return [name for name, row in zip(names, rows, strict=True) if 'hidden=""' not in row]


def test_search_and_state_narrow_the_rows(page: Path) -> None:
    document = shown(page, "state=refused&q=driver.floor+db-19")
    assert visible(document) == ["db-1900"]
    assert f"1 of {HOSTS} hosts" in document


def test_without_a_filter_every_host_is_there(page: Path) -> None:
    assert len(visible(shown(page, ""))) == HOSTS


def test_the_details_of_a_host_open_and_its_text_stays_text(page: Path) -> None:
    document = shown(page, "open=db-0042")
    assert "<dd" in document
    assert "&lt;img src=x" in document
    assert "<title>broken" not in document
    assert '<button type="button" aria-expanded="true">db-0042</button>' in document
