"""A removal takes everything that was made, and says what it leaves: the list of files is that of before."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from env_lab import Lab


def files(lab: Lab) -> list[str]:
    """Return every path of the host but for the wheels, which are the lab's."""
    return sorted(str(path) for path in lab.base.rglob("*") if "wheels" not in path.parts)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A host on which nothing of this toolkit was ever, not even the directories of commands and facts."""
    lab = Lab(tmp_path)
    lab.layout = type(lab.layout)(
        str(tmp_path / "opt" / "root"), str(tmp_path / "local" / "bin"), str(tmp_path / "ansible" / "facts.d")
    )
    (tmp_path / "opt").mkdir()
    return lab


def test_the_host_is_as_before(lab: Lab) -> None:
    before = files(lab)
    for version in ("1.0", "2.0", "3.0"):
        lab.present(lab.tiny(version))
    lab.rolled_back()
    foreseen = lab.absent(check=True).actions
    outcome = lab.absent()
    assert files(lab) == before
    assert outcome.actions == foreseen
    assert [action for action in foreseen if action.endswith("ansible/facts.d")]
    assert lab.absent().actions == []


def test_a_directory_that_somebody_uses_stays(lab: Lab) -> None:
    lab.present(lab.tiny("1.0"))
    theirs = Path(lab.layout.facts_dir) / "theirs.fact"
    theirs.write_text("{}")
    foreseen = lab.absent(check=True).actions
    assert lab.absent().actions == foreseen
    assert theirs.exists() and not os.path.lexists(lab.layout.bin_dir)


def test_directories_that_were_there_stay(lab: Lab) -> None:
    os.makedirs(lab.layout.facts_dir)
    before = files(lab)
    lab.present(lab.tiny("1.0"))
    lab.absent()
    assert files(lab) == before


@pytest.mark.parametrize("made", ["x", [1, None, "relative", "/", "/etc"], {"/etc": 1}, [["/etc"]]])
def test_a_note_that_was_changed_removes_nothing_of_others(lab: Lab, made: object) -> None:
    lab.present(lab.tiny("1.0"))
    marker = Path(lab.layout.marker)
    marker.write_text(marker.read_text().replace("{", '{"made": ' + json.dumps(made) + ",", 1))
    lab.absent()
    assert os.listdir("/etc") and not os.path.lexists(lab.layout.root)


def test_it_says_which_packages_of_the_distribution_stay(lab: Lab) -> None:
    lab.present(
        lab.wanted(lab.lock(lab.wheel("tiny", "1.0")), system_packages=["ffmpeg", "python3-distutils"])
    )
    notes = lab.absent(check=True).notes
    assert lab.absent().notes == notes
    assert notes == [
        "left the distribution's packages ffmpeg, python3-distutils, which other programs may use by now"
    ]
