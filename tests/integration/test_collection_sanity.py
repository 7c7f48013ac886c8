"""ansible-test and ansible-lint find nothing in the collection, without lists of findings to ignore."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from core_lab import CORES, core_id, make_environment

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
    without = [word for name in SLOW for word in ("--skip-test", name)]
    silent(Path(sys.executable).parent, unpacked, tmp_path, *without)


@pytest.mark.skipif(not FULL, reason="minutes: make attack runs it")
def test_the_rest(unpacked: Path, tmp_path: Path) -> None:
    alone = [word for name in SLOW for word in ("--test", name)]
    silent(Path(sys.executable).parent, unpacked, tmp_path, *alone)


@pytest.mark.skipif(not FULL, reason="minutes for each: make attack runs them")
@pytest.mark.parametrize("pair", CORES, ids=core_id)
def test_all_with_every_core(unpacked: Path, uv: str, tmp_path: Path, pair: tuple[str, str]) -> None:
    silent(make_environment(uv, tmp_path / "venv", pair), unpacked, tmp_path)


def test_ansible_lint_by_its_strictest_profile(tmp_path: Path) -> None:
    """With the project's settings, which excuse the long lines of the catalogue and nothing else.

    In short only the files that have another text here: `make lint` looks at the others under the same names.
    """
    folder = tmp_path / "ansible_collections/whisperx/fleet"
    stage(ROOT, folder)
    for name in (".ansible-lint", ".yamllint.yml", ".gitignore"):
        shutil.copyfile(ROOT / name, folder / name)
    named = [] if FULL else changed(folder)
    assert FULL or {"playbooks/site.yml", "roles/whisperx_plan/tasks/main.yml"} <= set(named)
    programs = Path(sys.executable).parent
    places = {"ANSIBLE_COLLECTIONS_PATH": str(tmp_path), "PATH": f"{programs}:{os.environ['PATH']}"}
    command = [programs / "ansible-lint", "--offline", "--strict", "--profile", "production", *named]
    done = subprocess.run(command, cwd=folder, env=os.environ | places, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def changed(folder: Path) -> list[str]:
    """Return the YAML files of the staged tree whose text is not the checkout's."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.yml"))
    return [name for name in names if (folder / name).read_bytes() != (ROOT / name).read_bytes()]


def silent(programs: Path, unpacked: Path, home: Path, *options: str) -> None:
    """Assert that the ansible-test of an environment finds nothing."""
    seed(programs, home)
    done = sanity(programs, unpacked, home, options)
    assert done.returncode == 0, done.stdout + done.stderr
