"""ansible-test has nothing to say of the collection: no finding, and no list of findings to ignore."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attack.strength import FULL
from tools.collection import ROOT
from tools.galaxy.artifact import build
from tools.galaxy.sanity import sanity, seed, unpack
from tools.galaxy.stage import stage

# What takes minutes: every module imported in an environment of its own, and pylint.
SLOW = ("import", "pylint")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("sanity")
    stage(ROOT, base / "staged")
    folder = unpack(build(base / "staged", base / "build"), base)
    assert not (folder / "tests/sanity").exists()
    return folder


def test_what_takes_no_minutes(unpacked: Path, tmp_path: Path) -> None:
    seed(tmp_path)
    done = sanity(unpacked, tmp_path, [word for name in SLOW for word in ("--skip-test", name)])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not FULL, reason="minutes: make attack runs it")
def test_the_rest(unpacked: Path, tmp_path: Path) -> None:
    seed(tmp_path)
    done = sanity(unpacked, tmp_path, [word for name in SLOW for word in ("--test", name)])
    assert done.returncode == 0, done.stdout + done.stderr
