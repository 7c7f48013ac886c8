"""A release is a changelog, a version, a commit and a tag, or a sentence and nothing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tools.release import ROOT, Refused, release


def git(root: Path, *words: str) -> str:
    own = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    return subprocess.run(["git", *own, *words], cwd=root, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "Test")
        monkeypatch.setenv(f"{name}_EMAIL", "test@example.org")
    shutil.copyfile(ROOT / "galaxy.yml", tmp_path / "galaxy.yml")
    shutil.copytree(
        ROOT / "changelogs", tmp_path / "changelogs", ignore=shutil.ignore_patterns("fragments", ".*")
    )
    (tmp_path / "changelogs/fragments").mkdir()
    (tmp_path / "changelogs/fragments/one.yml").write_text("---\nbugfixes:\n  - It works now.\n")
    shutil.copyfile(ROOT / ".gitignore", tmp_path / ".gitignore")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "Begin")
    return tmp_path


def test_a_newer_version(checkout: Path) -> None:
    assert release(checkout, "9.0.0") == "v9.0.0"
    assert yaml.safe_load((checkout / "galaxy.yml").read_text())["version"] == "9.0.0"
    assert "It works now" in (checkout / "CHANGELOG.md").read_text()
    assert git(checkout, "log", "-1", "--format=%s %D").split()[:2] == ["Release", "9.0.0"]
    assert git(checkout, "tag", "--points-at", "HEAD").split() == ["v9.0.0"]
    assert git(checkout, "status", "--porcelain") == ""


def test_the_version_whose_changelog_is_written(checkout: Path) -> None:
    before = git(checkout, "rev-parse", "HEAD")
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    assert release(checkout, "") == f"v{version}"
    assert git(checkout, "rev-parse", "HEAD") == before
    with pytest.raises(Refused, match="is there already"):
        release(checkout, "")


@pytest.mark.parametrize(
    ("version", "wrong", "sentence"),
    [
        ("0.2", "", "three numbers"),
        ("0.0.1", "", "a newer one"),
        ("9.0.0", "changed", "not committed"),
        ("9.0.0", "empty", "has no fragment"),
    ],
)
def test_what_cannot_be_released_changes_nothing(
    checkout: Path, version: str, wrong: str, sentence: str
) -> None:
    if wrong == "changed":
        (checkout / "new").write_text("x")
    if wrong == "empty":
        git(checkout, "rm", "--quiet", "changelogs/fragments/one.yml")
        git(checkout, "commit", "--quiet", "--message", "Remove it")
    before = (git(checkout, "rev-parse", "HEAD"), git(checkout, "status", "--porcelain"))
    with pytest.raises(Refused, match=sentence):
        release(checkout, version)
    assert (git(checkout, "rev-parse", "HEAD"), git(checkout, "status", "--porcelain")) == before
    assert git(checkout, "tag") == ""
