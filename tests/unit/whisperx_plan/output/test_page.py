"""The page: everything on it, nothing from outside, and nothing that a host says becomes markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from module_utils.whisperx_plan.decide import Decision, decide
from module_utils.whisperx_plan.model import Request
from module_utils.whisperx_plan.output.comparison import changes
from module_utils.whisperx_plan.output.page import render_page
from module_utils.whisperx_problem import Problem
from tests.unit.whisperx_catalogue.knowledge import CATALOGUE, catalogue
from tests.unit.whisperx_plan.hosts import facts, with_gpu

TEMPLATES = str(CATALOGUE.parent / "page")
REQUEST = Request.make({"whisperx": ""})
HOSTILE = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>|`[a](javascript:alert(3))\n# x\x1b[2J\ud800"
)


def fleet() -> Decision:
    old = with_gpu(facts("2.35", ("3.10.12",)), "9.0", ("535.183.01", "12.2"))
    hostile = with_gpu(facts("2.35", ("3.10.12",)), "9.0", ("470.82.01", "11.4"))
    hostile["gpus"][0]["name"] = HOSTILE
    broken = {**facts(), "machine": HOSTILE}
    hosts = {"cpu1": facts(), "cpu2": facts(), "gpu": old, HOSTILE: hostile, "none": {}, "broken": broken}
    return decide(hosts, REQUEST, catalogue())


class Reader(HTMLParser):
    """Collects tags, attributes and text; complains about what is left open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def test_html_says_it_all():
    decision = fleet()
    reader = read(render_page(decision, None, "p.html", TEMPLATES))
    for record in decision.hosts.values():
        for reason in record["reasons"][:3]:
            assert reason["rule"] in reader.text and reason["source"] in reader.text
        for text in record.get("constraints", {}).values():
            assert text in reader.text
    assert "6 hosts, " in reader.text and "cu128" in reader.text
    assert re.search(r"minimum branch \d+", reader.text)
    # Each number in the table leads to a <details> of that id, which a keyboard opens by itself.
    named = {value for name, value in reader.attributes if name == "id"}
    assert {value for name, value in reader.attributes if name == "href"} <= {f"#{name}" for name in named}


@pytest.mark.parametrize("name", ["p.html", "p.md"])
def test_one_is_no_plural(name):
    page = render_page(decide({"cpu": facts()}, REQUEST, catalogue()), None, name, TEMPLATES)
    assert "1 host, 1 planned, 0 refused, 0 on a GPU, 1 on the CPU, 1 class." in page
    assert not re.search(r"\b1 (?:hosts|classes)\b", page)


def test_what_hosts_say_is_text_in_html():
    decision = fleet()
    found = changes({HOSTILE: {"verdict": "refused", "class": None, "pins": {}, "reason": HOSTILE}}, decision)
    page = render_page(decision, found, "p.html", TEMPLATES)
    reader = read(page)
    assert not {"script", "img"} & set(reader.tags)
    assert not [name for name, _ in reader.attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in reader.text
    assert "\x1b" not in page
    page.encode()


def test_html_loads_nothing():
    page = render_page(fleet(), None, "p.html", TEMPLATES)
    reader = read(page)
    assert not {"script", "link", "img", "iframe"} & set(reader.tags)
    assert not [name for name, _ in reader.attributes if name in ("src", "srcset", "action")]
    assert "url(" not in page and "@import" not in page


def test_what_hosts_say_is_text_in_markdown():
    decision = fleet()
    page = render_page(decision, None, "p.md", TEMPLATES)
    assert "<" not in page.replace("\\<", "")
    assert "\x1b" not in page and "](" not in page.replace("\\](", "")
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {10, 3}
    assert len([line for line in page.splitlines() if line.startswith("Hosts: \\<script\\>")]) == 1
    page.encode()


@pytest.mark.parametrize("name", ["p.html", "p.md"])
def test_the_same_bytes_whatever_the_order(name):
    decision = fleet()
    turned = Decision(dict(reversed(decision.hosts.items())), decision.classes)
    page = render_page(decision, None, name, TEMPLATES)
    assert page == render_page(turned, None, name, TEMPLATES) == render_page(fleet(), None, name, TEMPLATES)


@pytest.mark.parametrize("name", ["p.html", "p.md"])
def test_changes_are_on_the_page(name):
    decision = fleet()
    none = render_page(decision, changes({}, Decision({}, {})), name, TEMPLATES)
    assert "Nothing changes." in none
    new = render_page(decision, changes({}, decision), name, TEMPLATES)
    assert "New (6)" in new
    refused = sorted(host for host, record in decision.hosts.items() if record["verdict"] != "plan")
    assert refused[-2:] == ["broken", "none"]
    # Hosts with one change stand together.
    assert "broken, none" in new


def test_every_host_is_named_and_leads_to_its_answer():
    decision = fleet()
    page = render_page(decision, None, "p.html", TEMPLATES)
    numbers = dict(re.findall(r'<td class="number" data-label="No."><a href="#(answer-\d+)">(\d+)</a>', page))
    assert len(numbers) == page.count("<details id=")
    for name in ("cpu1", "cpu2", "gpu", "none", "broken"):
        found = re.search(
            rf'<li><a href="#(answer-\d+)"[^>]*>\d+</a> <span class="name">{name}</span></li>', page
        )
        assert found is not None and found[1] in numbers
        answer = page[page.index(f'<details id="{found[1]}"') :].partition("</details>")[0]
        assert f"<li>{name}</li>" in answer


@pytest.mark.parametrize("name", ["p.pdf", "p", ".html"])
def test_another_ending_is_refused(name):
    with pytest.raises(Problem) as caught:
        render_page(Decision({}, {}), None, name, TEMPLATES)
    assert caught.value.rule == "plan.page" and caught.value.wanted == ".html or .md"


def test_templates_that_are_gone_are_told(tmp_path: Path):
    with pytest.raises(Problem) as caught:
        render_page(Decision({}, {}), None, "p.md", str(tmp_path))
    assert caught.value.rule == "plan.page" and str(tmp_path) in caught.value.where
