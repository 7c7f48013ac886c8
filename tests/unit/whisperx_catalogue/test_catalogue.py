"""The catalogue: read, checked row by row, and hostile files told by file, row and field."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from module_utils.whisperx_catalogue.catalogue import ROW_FILES, load, with_release
from module_utils.whisperx_catalogue.rows_reading import read_rows
from module_utils.whisperx_plan.gpu.cuda_libraries import providers
from module_utils.whisperx_plan.gpu.torch_builds import series_of
from module_utils.whisperx_problem import Problem
from tests.attack.strength import FULL
from tests.unit.whisperx_catalogue.knowledge import CATALOGUE, DAY, catalogue, copy_until


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    return copy_until(DAY, tmp_path_factory.mktemp("kept") / "catalogue")


@pytest.fixture
def copy(kept, tmp_path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "catalogue"))


@pytest.fixture(scope="module")
def rows() -> dict[str, Any]:
    return {name: yaml.safe_load((CATALOGUE / name).read_text()) for name in ROW_FILES}


# Complaints about files and results, which are no rules.
PROBLEMS = {"plan.class", "plan.compare", "plan.output", "plan.page", "plan.untrusted-directory"}


def spread(values: list[Any], step: int) -> list[tuple[str, Any]]:
    """Return files with values: in short each ``step``-th diagonal, every file and value at least twice."""
    return [
        (name, value)
        for row, name in enumerate(ROW_FILES)
        for column, value in enumerate(values)
        if FULL or (row + column) % step == 0
    ]


def complaint(folder: Path) -> Problem:
    with pytest.raises(Problem) as caught:
        load(folder)
    assert caught.value.rule.startswith("catalogue.")
    return caught.value


def test_ours_is_read():
    found = load(CATALOGUE)
    assert {"ctranslate2", "whisperx", "faster-whisper", "torch"} <= set(found.packages)
    assert len(found.digest) == 64


def test_every_release_is_known_by_its_bit():
    package = catalogue().packages["ctranslate2"]
    assert package.members(package.mask("==4.6.0"))[0].text == "4.6.0"
    assert [release.text for release in package.members(package.mask(">=4.8.4,<4.9"))] == ["4.8.5", "4.8.4"]
    assert package.mask("") == package.everything


@pytest.mark.parametrize("name", ROW_FILES)
def test_a_missing_file(copy, name):
    (copy / name).unlink()
    assert name in complaint(copy).where


@pytest.mark.parametrize(
    ("name", "text"),
    spread(["- [", "\x00", "a: b: c", "just text", "[]", "{}", "{rules: 3}", "null", "&a [*a]"], 4),
)
def test_a_broken_file(copy, name, text):
    (copy / name).write_text(text)
    assert complaint(copy).where.startswith(name) or name in complaint(copy).found


@pytest.mark.parametrize(
    ("name", "value"), spread([None, 7, 2.4, "text", [], {}, [[]], True, {"a": {"b": []}}], 3)
)
def test_no_field_of_any_row_makes_a_traceback(rows, name, value):
    whole = rows[name]
    for section, entries in whole.items():
        if not isinstance(entries, list) or not entries:
            continue
        for field in sorted({key for row in entries for key in row}):
            place = next(number for number, row in enumerate(entries) if field in row)
            broken = [{**row, field: value} if number == place else row for number, row in enumerate(entries)]
            try:
                read_rows({**rows, name: {**whole, section: broken}})
            except Problem as problem:
                if (name, section, field) == ("drivers.yml", "generations", "generation"):
                    continue  # the row of gpus.yml that names it is the one to complain about
                assert problem.where.startswith(name), problem.where
                assert f"{section}[{place}]" in problem.where


def test_a_row_needs_source_and_confidence(copy):
    whole = yaml.safe_load((copy / "drivers.yml").read_text())
    del whole["floors"][1]["source"]
    (copy / "drivers.yml").write_text(yaml.safe_dump(whole))
    assert complaint(copy).where == "drivers.yml, field floors[1].source"
    whole["floors"][1].update(source="x", confidence="sure")
    (copy / "drivers.yml").write_text(yaml.safe_dump(whole))
    assert complaint(copy).wanted == "one of measured, documented, hypothesis"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", "new"),
        ("version", None),
        ("requires_python", "three"),
        ("requires_dist", ["torch ~= oops"]),
        ("requires_dist", "torch"),
        ("wheels", {"a": 1}),
        ("wheels", ["x.whl"]),
        ("wheels", [{"file": "x.zip"}]),
        ("wheels", [{"file": 7}]),
        ("abi", [1]),
        ("abi", {"x86_64": []}),
        ("abi", {"x86_64": {"execstack": "yes"}}),
        ("abi", {"x86_64": {"sass": [8.6]}}),
        ("abi", {"x86_64": {"glibc": "new"}}),
        ("yanked", 3),
        ("sdist_only", "no"),
        ("requires_dist_aarch64", [3]),
    ],
)
def test_a_broken_release(copy, field, value):
    file = copy / "packages" / "ctranslate2.json"
    data = json.loads(file.read_text())
    data["releases"][3][field] = value
    file.write_text(json.dumps(data))
    problem = complaint(copy)
    assert problem.where.startswith("packages/ctranslate2.json, field releases[3]"), problem.where


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "null", '{"package": "x"}', '{"releases": []}', "[" * 100_000]
)
def test_a_broken_package_file(copy, text):
    (copy / "packages" / "ctranslate2.json").write_text(text)
    assert "ctranslate2.json" in complaint(copy).where


def test_a_version_may_be_there_once(copy):
    file = copy / "packages" / "ctranslate2.json"
    data = json.loads(file.read_text())
    data["releases"].append(data["releases"][0])
    file.write_text(json.dumps(data))
    assert complaint(copy).wanted == "each version once"


def test_no_catalogue_at_all(tmp_path):
    assert complaint(tmp_path / "nowhere").rule == "catalogue.missing"


def test_the_digest_follows_the_content_only(copy):
    before = load(copy).digest
    file = copy / "packages" / "ctranslate2.json"
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, "measured": "2030-01-01"}, indent=4))
    assert load(copy).digest == before
    data["releases"][0]["requires_python"] = ">=3.7"
    file.write_text(json.dumps(data))
    assert load(copy).digest != before


def test_an_unknown_release_is_let_in_as_a_copy():
    known = catalogue()
    wider = with_release(known, "ctranslate2", "99.0")
    assert wider.packages["ctranslate2"].releases[-1].text == "99.0"
    assert known.packages["ctranslate2"].releases[-1].text != "99.0"
    assert not {id(release) for release in known.packages["torch"].releases} & {
        id(release) for release in wider.packages["torch"].releases
    }


def test_every_rule_has_its_words_and_every_words_their_rule():
    """Rule ids in the code are rows of rules.yml, and the other way round."""
    code = "".join(
        path.read_text() for path in (CATALOGUE.parents[3] / "module_utils/whisperx_plan").rglob("*.py")
    )
    themes = "facts|plan|driver|container|gpu|torch|soname|unknown|libc|cpu|wheel|python|release|ffmpeg"
    quoted = set(re.findall(rf'"((?:{themes})\.[a-z-]+)"', code))
    quoted |= {"driver.mismatch", "driver.unusable", "request.unknown-package", "request.extra-catalogued"}
    rows = set(catalogue().rows.rules)
    assert rows <= quoted
    assert quoted - rows <= {*PROBLEMS, "libc.family", "libc.version"}


def test_the_rows_of_default_torch_builds_agree_with_the_wheels():
    seen = 0
    for release in catalogue().packages["torch"].releases:
        for machine, abi in release.abi.items():
            series = series_of(release, machine, catalogue().rows)
            assert series is not None, release.subject
            build = next(build for build in series.builds if build.name == series.default)
            assert (build.sass, build.ptx) == (abi.sass, abi.ptx), (release.subject, machine)
            seen += 1
    assert seen


def test_every_torch_series_that_is_catalogued_has_its_row():
    for release in load(CATALOGUE).packages["torch"].releases:
        assert series_of(release, "x86_64", catalogue().rows) is not None, release.subject


def test_what_is_looked_up_is_brought_or_known():
    """Every CUDA library that a computing package names is in a measured package, or is left alone."""
    rows = catalogue().rows
    unknown = {
        name
        for package in catalogue().packages.values()
        if catalogue().info(package.name).computes
        for release in package.releases
        for machine, abi in release.abi.items()
        for name in abi.opens
        if not providers(name, machine, catalogue())
        and name not in rows.ignored
        and not name.startswith(rows.soname_parts)
    }
    assert unknown <= {"libcublas.so.11"}, unknown


def test_the_package_of_ffmpeg_is_known_by_its_name():
    """roles/whisperx_venv tells it from what else the plan asks of a distribution."""
    rows = catalogue().rows.distros
    assert all(row.ffmpeg.startswith("ffmpeg") for row in rows if row.ffmpeg)
    assert not any(row.distutils.startswith("ffmpeg") for row in rows if row.distutils)


@pytest.mark.parametrize(("key", "value"), [("sass", "6.1"), ("sass", "oops"), ("ptx", "12.2")])
def test_a_build_for_what_its_cuda_cannot_compile_is_named(rows, key, value):
    whole = rows["torch_builds.yml"]
    place = next(n for n, row in enumerate(whole["series"]) if row["default"] == "cu132")
    row = whole["series"][place]
    number = next(n for n, build in enumerate(row["builds"]) if build["build"] == "cu132")
    builds = [{**build, key: [value]} if n == number else build for n, build in enumerate(row["builds"])]
    series = [{**row, "builds": builds} if n == place else other for n, other in enumerate(whole["series"])]
    with pytest.raises(Problem) as caught:
        read_rows({**rows, "torch_builds.yml": {**whole, "series": series}})
    assert caught.value.where == f"torch_builds.yml, field series[{place}].builds[{number}].{key}"
