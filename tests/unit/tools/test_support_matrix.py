"""docs/support-matrix.md is what the catalogue gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from module_utils.whisperx_catalogue.catalogue import Catalogue, load
from tests.attack.strength import FULL
from tools import support_matrix


def with_distros(*names: str) -> Catalogue:
    """Return the catalogue with some of its distributions; planning them all takes seconds."""
    whole = load(support_matrix.CATALOGUE)
    few = tuple(row for row in whole.rows.distros if f"{row.id} {row.version}".strip() in names)
    return replace(whole, rows=replace(whole.rows, distros=few), scratch={})


def test_the_committed_page_is_up_to_date() -> None:
    """The short form plans every fifth device, from the first on, and looks at those tables only."""
    remedy = "run make docs, and commit docs/support-matrix.md"
    if FULL:
        assert support_matrix.main(["--check"]) == 0, remedy
        return
    page = support_matrix.PAGE.read_text(encoding="utf-8")
    described = yaml.safe_load(support_matrix.DEVICES.read_text(encoding="utf-8"))
    devices, tried = described["devices"], described["tried"]
    assert page.count("\n## ") == len(devices) + 1, remedy
    head, *tables = support_matrix.render(load(support_matrix.CATALOGUE), devices[::5], tried).split("\n## ")
    assert page.startswith(head), remedy
    for table in tables[1:]:
        assert f"\n## {table.rstrip()}\n" in page, remedy


def test_a_stale_page_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    devices = tmp_path / "devices.yml"
    devices.write_text("devices: [{name: CPU}]\ntried: {}\n")
    monkeypatch.setattr(support_matrix, "DEVICES", devices)
    monkeypatch.setattr(support_matrix, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(support_matrix, "load", lambda _: with_distros("debian 12", "alpine"))
    assert support_matrix.main(["--check"]) == 1
    assert "page.md is not what the catalogue gives" in capsys.readouterr().err
    assert support_matrix.main([]) == 0
    assert support_matrix.main(["--check"]) == 0


def test_an_answer_names_its_versions_and_rules() -> None:
    gpu = {"name": "NVIDIA H100", "compute_capability": "9.0", "driver": "nvidia"}
    driver = {"version": "535.183.01", "cuda": "12.2", "state": "running"}
    page = support_matrix.render(
        with_distros("debian 12", "alpine"), [{"name": "H100", "gpu": gpu, "driver": driver}], {}
    )
    debian = next(line for line in page.splitlines() if line.startswith("| debian 12 | 2.36"))
    assert "driver.ptx" in debian
    assert "(cu" in debian
    alpine = next(line for line in page.splitlines() if line.startswith("| alpine | 1.2"))
    assert "| refused |" in alpine
    assert "libc.musl" in alpine


def test_a_row_says_how_it_was_tried() -> None:
    catalogue = load(support_matrix.CATALOGUE)
    tried = {"run": ["debian 12"], "run on a stand-in": ["rocky 9"]}
    page = support_matrix.render(catalogue, [{"name": "CPU"}], tried)

    def mark(name: str) -> str:
        return next(line for line in page.splitlines() if name in line).split(" | ")[1]

    assert mark("| debian 12 |") == "run"
    assert mark("rocky 9 |") == "run on a stand-in (rocky 9)"
    assert mark("| arch |") == "decided from facts"


def test_what_was_tried_is_in_the_catalogue() -> None:
    with pytest.raises(ValueError, match="not in the catalogue: debain 12"):
        support_matrix.render(load(support_matrix.CATALOGUE), [], {"run": ["debain 12"]})
