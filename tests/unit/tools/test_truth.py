"""The truth suite's own parts: rows, predictions, what uv's complaints mean, the report. No container."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from module_utils.whisperx_catalogue.catalogue import Catalogue, load
from module_utils.whisperx_lock.uv import find_uv
from module_utils.whisperx_problem import Problem
from tools.truth import inside, report
from tools.truth.containers import Answer
from tools.truth.install import Installer
from tools.truth.predict import Prediction, describe, own_python, predict
from tools.truth.releases import HEAD, Proof, merged, releases_of
from tools.truth.report import Verdict
from tools.truth.rows import FFMPEG, SUITES, Combination, load_combinations

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
VERSIONED = f"python{PYTHON}"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load(report.CATALOGUE)


def combination(suite: str, python: str, **packages: str) -> Combination:
    named = tuple((name.replace("_", "-"), version) for name, version in packages.items())
    return Combination("test", suite, python, named, "import", "asked")


def test_the_rows_cover_what_they_have_to() -> None:
    rows = load_combinations()
    assert len(rows) >= 60
    assert {row.suite.removesuffix(FFMPEG) for row in rows} == set(SUITES)
    assert {row.python for row in rows} == {"3.9", "3.10", "3.11", "3.12", "3.13", "3.14"}
    named = {name for row in rows for name, _ in row.packages}
    assert {"ctranslate2", "onnxruntime", "torch", "torchaudio", "torchcodec", "faster-whisper"} <= named


def test_every_version_in_the_rows_is_catalogued(catalogue: Catalogue) -> None:
    for row in load_combinations():
        for name, version in row.packages:
            assert version in {release.text for release in catalogue.packages[name].releases}, (name, version)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (("level: import", "level: deep"), "level"),
        (("way: asked", "way: hoped"), "way"),
        (("[trixie/3.13]", "[]"), "places"),
        (("trixie/3.13", "etch/3.13"), "places"),
        (("trixie/3.13", "trixie"), "places"),
        (("'1.2'", "1.2"), "version"),
        (("[{numpy: '1.2'}]", "[numpy]"), "sets"),
        (("[{numpy: '1.2'}]", "[{numpy: '1.2'}, {numpy: '1.2'}]"), "each combination once"),
        (("groups:", "group:"), "groups"),
        (("id: one", "id: {"), "file"),
    ],
)
def test_a_malformed_row_is_named(tmp_path: Path, change: tuple[str, str], field: str) -> None:
    text = "groups:\n- id: one\n  level: import\n  way: asked\n  places: [trixie/3.13]\n"
    text += "  sets: [{numpy: '1.2'}]\n"
    file = tmp_path / "rows.yml"
    file.write_text(text)
    assert len(load_combinations(file)) == 1
    file.write_text(text.replace(*change))
    with pytest.raises(Problem) as raised:
        load_combinations(file)
    assert raised.value.rule == "truth.rows"
    assert field in raised.value.sentence()


def test_a_prediction_names_its_rule(catalogue: Catalogue) -> None:
    bad = predict(combination("trixie", "3.12", ctranslate2="4.4.0"), {}, catalogue)
    assert (bad.good, bad.rule) == (False, "libc.execstack")
    assert predict(combination("bookworm", "3.12", ctranslate2="4.4.0"), {}, catalogue).good


def test_a_set_without_what_the_planner_adds_is_bad(catalogue: Catalogue) -> None:
    row = combination("bookworm", "3.11", faster_whisper="1.1.1", huggingface_hub="2.4.0")
    installed = {
        "faster-whisper": "1.1.1",
        "huggingface-hub": "2.4.0",
        "av": "16.1.0",
        "ctranslate2": "4.8.5",
    }
    assert predict(row, installed, catalogue) == Prediction(
        False, "plan.adds", "the planner would add requests"
    )
    assert predict(row, {**installed, "requests": "2.32.5"}, catalogue).good


def test_a_host_without_what_the_planner_installs_is_bad(catalogue: Catalogue) -> None:
    installed = {"whisperx": "3.8.6"}
    row = combination("bookworm", "3.11", whisperx="3.8.6")
    assert "ffmpeg" in predict(row, {**installed, "requests": "1"}, catalogue).why
    assert predict(combination("bookworm" + FFMPEG, "3.11", whisperx="3.8.6"), {}, catalogue).good


def test_suites_are_described_by_the_catalogue(catalogue: Catalogue) -> None:
    assert describe("forky", "3.14", catalogue)["libc"] == {"family": "glibc", "version": "2.43"}
    assert own_python("trixie" + FFMPEG, catalogue) == "3.13"
    with pytest.raises(Problem, match="no row for etch"):
        describe("etch", "3.9", catalogue)


def test_an_index_that_cannot_be_asked_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    installer = Installer(find_uv(""), tmp_path / "cache", tmp_path)
    found = installer.install(combination("trixie", "3.12", numpy="2.0.0"), "x86_64-manylinux_2_40", None)
    assert (found.refusal, dict(found.versions)) == ("", {})
    assert "numpy" in found.trouble


def test_an_interpreter_is_found_by_its_version(tmp_path: Path) -> None:
    folder = tmp_path / "one" / "bin"
    folder.mkdir(parents=True)
    (folder / "python3.99").symlink_to(sys.executable)
    assert inside.find_interpreter("3.99", str(tmp_path)) is None, "it has to be what its name says"
    assert inside.find_interpreter("3.98", str(tmp_path)) is None
    if not shutil.which(VERSIONED, path="/usr/bin:/usr/local/bin"):
        (folder / VERSIONED).symlink_to(Path(sys.executable).resolve())
    assert inside.find_interpreter(PYTHON, str(tmp_path)) is not None


def test_a_probe_that_says_nothing_is_reported(tmp_path: Path) -> None:
    (tmp_path / "probe.py").write_text("raise SystemExit('no good')\n")
    answer = inside.probe(sys.executable, {"tree": str(tmp_path), "probe": str(tmp_path)}, 10.0)
    assert answer == {"report": None, "said": "no good\n"}


def test_the_matrix_counts_both_ways() -> None:
    row = combination("trixie", "3.13", numpy="1.2")
    good, bad = Prediction(True), Prediction(False, "libc.execstack", "it asks | for it")
    answers = [Answer(True), Answer(False, "no | go"), Answer(False), Answer(None)]
    verdicts = [Verdict(row, said, real) for said in (good, bad) for real in answers]
    assert [verdict.prediction for verdict in report.wrong(verdicts)] == [good, good, bad]
    lines = [report.line(verdict, "2026-01-02") for verdict in verdicts]
    assert report.matrix(lines)[2:] == ["| predicted good | 1 | 2 | 1 |", "| predicted bad | 1 | 2 | 1 |"]
    assert "8 combinations, 6 of them run, 3 wrong predictions." in report.page_lines(lines)
    assert lines[0] == "| trixie | 3.13 | numpy 1.2 | asked | import | good | good | 2026-01-02 |  |"
    assert lines[1].endswith("| good | bad **WRONG** | 2026-01-02 | no \\| go |")


def test_a_partial_run_replaces_its_own_rows() -> None:
    rows = [combination("trixie", "3.13", numpy=version) for version in ("1.2", "1.3", "1.4")]
    said = Prediction(True)
    old = [report.line(Verdict(row, said, Answer(True)), "2026-01-02") for row in rows]
    new = [report.line(Verdict(rows[1], said, Answer(False)), "2026-01-03")]
    page = report.page_lines(old)
    assert report.merged(page, new, rows[:2]) == [old[0], new[0]]
    assert report.merged(page, [], rows) == old


def test_a_section_of_the_page_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "truth.md"
    page.write_text("# Title\n<!-- one -->\nold\n<!-- end one -->\ntail\n")
    report.put("one", ["new", "lines"], page)
    report.put("one", ["new", "lines"], page)
    assert page.read_text() == "# Title\n<!-- one -->\n\nnew\nlines\n\n<!-- end one -->\ntail\n"
    assert report.section("one", page) == ["", "", "new", "lines", "", ""]
    with pytest.raises(ValueError, match="two"):
        report.put("two", [], page)


def test_the_page_has_its_sections() -> None:
    assert report.section("combinations")
    assert report.section("releases")


def test_rows_of_other_releases_stay() -> None:
    old = [*HEAD, "| 3.10.0 | old |", "| 3.8.6 | old |"]
    assert merged(old, {"3.8.6": "| 3.8.6 | new |", "3.9.0": "| 3.9.0 | new |"}) == [
        "| 3.8.6 | new |",
        "| 3.9.0 | new |",
        "| 3.10.0 | old |",
    ]
    row = Proof("3.8.6", "3.11", {"torch": "2.8.0"}, "it |\nbroke", 12.3).row()
    assert row.startswith("| 3.8.6 | 3.11 | - | - | 2.8.0 | - | it \\| broke | 12 | 20")


def test_withdrawn_releases_and_previews_need_not_work(catalogue: Catalogue) -> None:
    found = releases_of(catalogue)
    assert {"3.3.1", "3.8.6"} <= set(found)
    assert not {"3.2.0", "3.3.2", "3.8.7rc1"} & set(found)
