"""Catalogues and fact files that anybody may have written: a sentence with the place, never a traceback."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from module_utils.whisperx_catalogue.catalogue import ROW_FILES, Catalogue, load, read_package
from module_utils.whisperx_catalogue.rows_reading import read_rows
from module_utils.whisperx_plan.decide import decide
from module_utils.whisperx_plan.model import Request
from module_utils.whisperx_plan.output.page import render_page
from module_utils.whisperx_problem import Problem
from tests.unit.whisperx_catalogue.knowledge import CATALOGUE, DAY, catalogue, copy_until
from tests.unit.whisperx_plan.hosts import facts, with_gpu

FIXTURES = sorted((Path(__file__).resolve().parents[2] / "fixtures" / "hosts").glob("[!m]*.json"))
FLEET = {
    "cpu": facts(),
    "gpu": with_gpu(facts("2.39", ("3.12.3",)), "9.0", ("535.183.01", "12.2")),
    "bare": with_gpu(facts("2.36", ("3.11.2",)), "6.1", None),
}
# Quickly decided: few packages are about.
REQUEST = Request.make({"ctranslate2": ""}, "venv")
often = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))

texts = st.sampled_from(
    [
        "",
        " ",
        "x",
        "{",
        "{subject",
        "{0}",
        "{subject.x}",
        "%s",
        "-1",
        "1e999",
        "9" * 40,
        "==",
        ">=1",
        "../..",
        "\x00",
        "\ud800",
    ]
)
scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | texts | st.text(max_size=8)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts | st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of everything in a document but the document itself."""
    inner: Any = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    found = []
    for key, item in inner:
        found += [(*path, key), *places(item, (*path, key))]
    return found


@cache
def document(name: str) -> tuple[Any, list[tuple[Any, ...]]]:
    """Return one file of the catalogue, and the paths in it."""
    text = (CATALOGUE / name).read_text()
    data = yaml.safe_load(text) if name.endswith(".yml") else json.loads(text)
    return data, places(data)


def changed(data: Any, path: tuple[Any, ...], value: Any, drop: bool) -> Any:
    """Return a copy with one place replaced, or left out."""
    whole = spot = copy.deepcopy(data)
    for key in path[:-1]:
        spot = spot[key]
    if drop:
        del spot[path[-1]]
    else:
        spot[path[-1]] = value
    return whole


def told(problem: Problem, where: str) -> None:
    assert problem.rule.startswith(("catalogue.", "plan.", "request.")), problem.rule
    # A row of one file may be held against those of another, which is named as what is wanted.
    assert where in problem.where + problem.wanted, problem.sentence()
    assert problem.where and problem.wanted and problem.remedy, problem.sentence()


@pytest.mark.parametrize("name", ROW_FILES)
@often
@given(data=st.data())
def test_a_hostile_row_is_named_or_does_no_harm(name, data):
    whole, paths = document(name)
    path = data.draw(st.sampled_from(paths))
    broken = changed(whole, path, data.draw(values), data.draw(st.booleans()))
    documents = {file: document(file)[0] for file in ROW_FILES}
    try:
        rows = read_rows({**documents, name: broken})
    except Problem as problem:
        # A generation of drivers.yml is missed by the row of gpus.yml that names it.
        told(problem, "" if name == "drivers.yml" else name)
        return
    decided(Catalogue(catalogue().packages, rows, "of the test"))


def decided(known: Catalogue) -> None:
    """Decide with a catalogue that was read: it serves, or the row that cannot be worked with is named."""
    for package in known.packages.values():
        for release in package.releases:
            release.cache.clear()
    try:
        decide(FLEET, REQUEST, known)
    except Problem as problem:
        told(problem, "")


@pytest.mark.parametrize("name", ["ctranslate2", "numpy", "nvidia-cublas-cu12"])
@often
@given(data=st.data())
def test_a_hostile_release_is_named_or_does_no_harm(name, data):
    file = f"packages/{name}.json"
    whole, paths = document(file)
    broken = changed(whole, data.draw(st.sampled_from(paths)), data.draw(values), data.draw(st.booleans()))
    try:
        package = read_package(f"{name}.json", broken)
    except Problem as problem:
        told(problem, file)
        return
    decided(Catalogue({**catalogue().packages, package.name: package}, catalogue().rows, "of the test"))


@settings(often, max_examples=40)
@given(name=st.sampled_from([*ROW_FILES, "packages/ctranslate2.json"]), data=st.data())
def test_a_file_of_damaged_bytes_is_named_or_does_no_harm(damaged, name, data):
    whole = (CATALOGUE / name).read_bytes()
    place, count = data.draw(st.integers(0, len(whole))), data.draw(st.integers(0, 200))
    (damaged / name).write_bytes(whole[:place] + data.draw(st.binary(max_size=40)) + whole[place + count :])
    try:
        load(damaged)
    except Problem as problem:
        # What one file names and another lacks is told of either.
        told(problem, "")
        assert problem.where.startswith((*ROW_FILES, "packages/", str(damaged)))
    finally:
        (damaged / name).write_bytes(whole)


@pytest.fixture(scope="module")
def damaged(tmp_path_factory) -> Path:
    """Return a catalogue of few packages, quickly read."""
    folder = copy_until(DAY, tmp_path_factory.mktemp("damaged") / "catalogue")
    for file in (folder / "packages").glob("*.json"):
        if file.stem not in ("ctranslate2", "numpy"):
            file.unlink()
    return folder


@settings(often, max_examples=100)
@given(data=st.data())
def test_hostile_facts_refuse_their_host_alone(data):
    file = data.draw(st.sampled_from(FIXTURES))
    whole = json.loads(file.read_text())["facts"]
    path = data.draw(st.sampled_from(places(whole)))
    broken = changed(whole, path, data.draw(values), data.draw(st.booleans()))
    found = decide({"cpu": FLEET["cpu"], "hostile": broken}, REQUEST, catalogue())
    assert found.hosts["cpu"]["verdict"] == "plan"
    record = found.hosts["hostile"]
    assert record["reasons"] or record["verdict"] == "plan"
    said = {reason["rule"]: reason for reason in record["reasons"]}
    if "facts.malformed" in said:
        assert str(path[0]) in said["facts.malformed"]["sentence"]
    json.dumps(record)
    for ending in ("html", "md"):
        render_page(found, None, f"p.{ending}", str(CATALOGUE.parent / "page")).encode()
