"""The page of a run in a real browser: a large fleet, by keyboard, for a screen reader, on paper."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_lab import BROWSER, Browser, opened

from module_utils.whisperx_plan.output.comparison import changes, read_plan
from module_utils.whisperx_plan.output.page import render_page
from module_utils.whisperx_report.page import render
from tools.report_example import ROOT, TEMPLATES, decided, fleet

HOSTS = 2000
PLAN_TEMPLATES = str(ROOT / "roles/whisperx_plan/files/page")
HOSTILE = "<img src=x onerror=document.title='broken'>"
FIRST, SPOILT = "h100-001.example.org", "h100-002.example.org"
# A person sees no delay below a tenth of a second; the rest is for a busy test machine without a GPU.
FLUID_MS = 500

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium or google-chrome is installed")


def write(path: Path, hosts: int) -> Path:
    """Write the page of a run over so many hosts, one of which says hostile things."""
    record = fleet(hosts)
    record["hosts"][SPOILT]["facts"]["system"] = HOSTILE
    path.write_text(render(record, TEMPLATES), "utf-8")
    return path


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(tmp_path_factory.mktemp("large") / "report.html", HOSTS).as_uri()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(tmp_path_factory.mktemp("small") / "report.html", 30).as_uri()


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a plan that is compared with one that lacked a host, and in which another was refused."""
    _, decision = decided(30)
    hosts = {**decision.hosts, SPOILT: decision.hosts["attic-001.example.org"]}
    del hosts[FIRST]
    path = tmp_path_factory.mktemp("plan") / "plan.html"
    before = path.with_suffix(".json")
    before.write_text(json.dumps({"schema": 1, "hosts": {name: dict(hosts[name]) for name in hosts}}))
    page = render_page(decision, changes(read_plan(str(before)), decision), str(path), PLAN_TEMPLATES)
    path.write_text(page, "utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with opened(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def browser(started: Browser) -> Browser:
    started.medium()
    started.size(1280)
    return started


def visible(browser: Browser, what: str = "row.host.name") -> list[Any]:
    """Return the names of the hosts that are shown, or something else of them, in their order."""
    rows = "[...document.querySelectorAll('#table tbody tr[data-state]:not([hidden])')]"
    found: list[Any] = browser.run(f"{rows}.map((row) => {what})")
    return found


def enter(browser: Browser, field: str, value: str) -> float:
    """Put a value into a field of the filter; return the milliseconds until the next picture stands."""
    found: float = browser.run(
        f"""new Promise((done) => {{
          const field = document.getElementById("{field}"), began = performance.now();
          field.value = {json.dumps(value)};
          field.dispatchEvent(new Event("input", {{bubbles: true}}));
          requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began)));
        }})"""
    )
    return found


def test_the_address_narrows_the_rows(browser: Browser, large: str) -> None:
    browser.open(f"{large}#state=refused&q=cpu.instructions+attic-07")
    assert visible(browser) == [f"attic-07{number}.example.org" for number in range(10)]
    assert browser.run("document.getElementById('shown').textContent") == f"10 of {HOSTS} hosts"


def test_a_large_fleet_stays_fluid(browser: Browser, large: str) -> None:
    browser.open(large)
    assert len(visible(browser)) == HOSTS
    for field, value in (("search", "l40s-01"), ("search", ""), ("order", "seconds"), ("order", "")):
        took = [enter(browser, field, value) for _ in range(3)]
        assert min(took) < FLUID_MS, f"{field} {value!r}: {took} ms"
    assert visible(browser)[0].startswith("edge-001")


def test_it_can_be_ordered_and_narrowed_to_what_changed(browser: Browser, large: str) -> None:
    browser.open(f"{large}#changed=1&order=seconds")
    found = visible(browser, "parseFloat(row.cells[5].textContent)")
    assert found == sorted(found, reverse=True) and len(found) > 100


def test_details_tell_everything_and_host_text_stays_text(browser: Browser, small: str) -> None:
    browser.open(f"{small}#open={SPOILT}")
    told = browser.run("document.querySelector('.details').innerText")
    for part in ("facts", "versions", "driver branch", "seconds", "why not another version", HOSTILE):
        assert part in told
    assert browser.run("document.title").startswith("WhisperX on")
    assert browser.run("document.images.length") == 0
    browser.open(f"{small}#open=attic-001.example.org")
    assert "reasons" in browser.run("document.querySelector('.details').innerText")


def test_a_class_leads_to_its_hosts(browser: Browser, small: str) -> None:
    browser.open(small)
    browser.run("document.querySelector('.classes tbody a').click()")
    name = browser.run("document.getElementById('class').value")
    assert set(visible(browser, "row.host.class")) == {name}


def test_a_keyboard_is_enough(browser: Browser, small: str) -> None:
    browser.open(small)
    focused = "document.activeElement"
    browser.press("Tab")
    assert browser.run(f"{focused}.textContent") == "Skip to the hosts"
    browser.press("Enter")
    browser.press("Tab")
    assert browser.run(f"{focused}.id") == "search"
    for letter in "h100-001":
        browser.press(letter)
    assert visible(browser) == [FIRST]
    for _ in range(6):
        browser.press("Tab")
    assert browser.run(f"{focused}.textContent") == FIRST
    # The focus can be seen.
    assert browser.run(f"getComputedStyle({focused}).outlineStyle") == "solid"
    browser.press("Enter")
    assert browser.run(f"{focused}.getAttribute('aria-expanded')") == "true"
    assert browser.run("document.querySelectorAll('.details').length") == 1
    browser.press("Enter")
    assert browser.run("document.querySelectorAll('.details').length") == 0


def test_a_screen_reader_finds_its_way(browser: Browser, small: str) -> None:
    browser.open(small)
    # The browser adds rows when they come into sight, and when it has the time.
    browser.run("document.getElementById('table').scrollIntoView()")
    tree = browser.tree()
    until = time.monotonic() + 20
    while ("button", FIRST) not in tree and time.monotonic() < until:
        tree = browser.tree()
    for found in (
        ("banner", ""),
        ("heading", "At a glance"),
        ("region", "What needs attention"),
        ("search", "Hosts"),
        ("searchbox", "Search"),
        ("combobox", "State"),
        ("combobox", "Class"),
        ("combobox", "Order"),
        ("checkbox", "changed in this run"),
        ("table", "By class: hosts with the same plan"),
        ("table", "Every host; its name opens the details"),
        ("columnheader", "Transferred"),
        ("rowheader", FIRST),
        ("button", FIRST),
    ):
        assert found in tree
    assert any(role == "status" for role, _ in tree)  # the number of hosts is said when it changes


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (1280, "dark"), (500, "light"), (420, "light")]
)
def test_axe_finds_nothing_to_complain_of(browser: Browser, small: str, width: int, scheme: str) -> None:
    browser.size(width)
    browser.medium(scheme=scheme)
    browser.open(f"{small}#open={FIRST}")
    assert browser.complaints() == []


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (420, "light")])
def test_axe_finds_nothing_to_complain_of_in_a_plan(
    browser: Browser, plan: str, width: int, scheme: str
) -> None:
    browser.size(width)
    browser.medium(scheme=scheme)
    browser.open(plan)
    browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert browser.complaints() == []
    assert browser.run("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [1280, 500, 420, 320])
def test_nothing_sticks_out_of_the_window(browser: Browser, small: str, width: int) -> None:
    browser.size(width)
    browser.open(f"{small}#open={FIRST}")
    assert browser.run("document.documentElement.scrollWidth") <= width


def test_a_phone_shows_cards(browser: Browser, small: str) -> None:
    """No class's name breaks over lines, no column scrolls sideways."""
    browser.size(420)
    browser.open(small)
    for what in (".classes th code", "#table tbody th"):
        lines = f"[...document.querySelectorAll('{what}')].map((one) => one.getClientRects().length)"
        assert max(browser.run(lines)) <= 2
    assert browser.run(
        "document.querySelector('.wide').scrollWidth <= document.querySelector('.wide').clientWidth"
    )


def test_it_prints_what_is_shown(browser: Browser, small: str) -> None:
    browser.open(f"{small}#state=refused&open=attic-001.example.org")
    browser.medium("print")
    assert browser.run("getComputedStyle(document.getElementById('filter')).display") == "none"
    printed = base64.b64decode(browser.call("Page.printToPDF")["data"])
    some = len(re.findall(rb"/Type\s*/Page\b", printed))
    browser.open(small)
    every = len(re.findall(rb"/Type\s*/Page\b", base64.b64decode(browser.call("Page.printToPDF")["data"])))
    assert printed.startswith(b"%PDF") and 1 <= some < every


def test_it_asks_for_nothing(browser: Browser, small: str) -> None:
    browser.open(small)
    assert browser.run("performance.getEntriesByType('resource').length") == 0
