"""docs/support-matrix.md is what the catalogue gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from module_utils.whisperx_catalogue.catalogue import load
from tools import support_matrix


def test_the_committed_page_is_up_to_date() -> None:
    assert support_matrix.main(["--check"]) == 0, "run make docs, and commit docs/support-matrix.md"


def test_a_stale_page_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    devices = tmp_path / "devices.yml"
    devices.write_text("devices: [{name: CPU}]\n")
    monkeypatch.setattr(support_matrix, "DEVICES", devices)
    monkeypatch.setattr(support_matrix, "PAGE", tmp_path / "page.md")
    assert support_matrix.main(["--check"]) == 1
    assert "page.md is not what the catalogue gives" in capsys.readouterr().err
    assert support_matrix.main([]) == 0
    assert support_matrix.main(["--check"]) == 0


def test_an_answer_names_its_versions_and_rules() -> None:
    gpu = {"name": "NVIDIA H100", "compute_capability": "9.0", "driver": "nvidia"}
    driver = {"version": "535.183.01", "cuda": "12.2", "state": "running"}
    page = support_matrix.render(
        load(support_matrix.CATALOGUE), [{"name": "H100", "gpu": gpu, "driver": driver}]
    )
    debian = next(line for line in page.splitlines() if line.startswith("| debian 12 | 2.36"))
    assert "driver.ptx" in debian
    assert "(cu" in debian
    alpine = next(line for line in page.splitlines() if line.startswith("| alpine | 1.2"))
    assert "| refused |" in alpine
    assert "libc.musl" in alpine
