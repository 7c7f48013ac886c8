"""docs/troubleshooting.md and the doctor's knowledge are what the failure rows give."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import troubleshooting


def test_what_is_committed_is_up_to_date() -> None:
    assert troubleshooting.main(["--check"]) == 0, "run make docs, and commit what it changed"


def test_what_is_stale_is_told_and_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(troubleshooting.PAGE.read_text().replace("`failure.execstack`", "`failure.lost`"))
    monkeypatch.setattr(troubleshooting, "PAGE", page)
    monkeypatch.setattr(troubleshooting, "KNOWLEDGE", tmp_path / "knowledge.json")
    assert troubleshooting.main(["--check"]) == 1
    said = capsys.readouterr().err
    assert "page.md" in said and "knowledge.json" in said
    assert troubleshooting.main([]) == 0
    assert troubleshooting.main(["--check"]) == 0
    assert page.read_text() == troubleshooting.PAGE.read_text()


def test_what_is_written_by_hand_stays() -> None:
    document = troubleshooting.knowledge()
    text = "by hand\n<!-- failures: made by make docs -->\nSTALE\n<!-- failures: end -->\nbetween\n"
    text += "<!-- rules: made by make docs --><!-- rules: end -->\nbehind\n"
    made = troubleshooting.page(text, document, [{"id": "a.rule", "sentence": "{x} is|was", "remedy": "Do."}])
    assert made.startswith("by hand\n") and "\nbetween\n" in made and made.endswith("behind\n")
    assert "STALE" not in made
    assert "| `a.rule` | {x} is\\|was | Do. |" in made
    assert made == troubleshooting.page(
        made, document, [{"id": "a.rule", "sentence": "{x} is|was", "remedy": "Do."}]
    )
