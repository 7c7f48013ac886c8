"""The life of an environment: made, left alone, upgraded, downgraded, rolled back, repaired, removed."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from env_lab import Lab

from module_utils.whisperx_problem import Problem


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_first_run_makes_it_and_second_run_does_nothing(lab: Lab) -> None:
    wanted = lab.tiny("1.0")
    outcome = lab.present(wanted)
    assert outcome.release == wanted.name == lab.current()
    assert lab.says() == "tiny 1.0"
    assert outcome.before == {} and outcome.after == {"tiny": "1.0"}
    again = lab.present(wanted)
    assert again.actions == [] and again.before == again.after == {"tiny": "1.0"}


def test_check_mode_predicts_every_action_and_changes_nothing(lab: Lab) -> None:
    for version in ("1.0", "2.0", "3.0", "1.0"):
        wanted = lab.tiny(version)
        before = _everything_below(lab.base)
        predicted = lab.present(wanted, check=True)
        assert _everything_below(lab.base) == before
        done = lab.present(wanted)
        assert predicted.actions == done.actions
        assert (predicted.before, predicted.after) == (done.before, done.after)
        assert lab.says() == f"tiny {version}"


def test_upgrade_keeps_the_old_release_and_prunes_beyond_keep(lab: Lab) -> None:
    names = []
    for version in ("1.0", "2.0", "3.0"):
        wanted = lab.tiny(version)
        names.append(wanted.name)
        lab.present(wanted)
    assert lab.releases() == names[1:]
    assert Path(lab.layout.previous).readlink().name == names[1]


def test_a_release_that_is_still_there_is_switched_to_without_a_build(lab: Lab) -> None:
    first, second = lab.tiny("1.0"), lab.tiny("2.0")
    lab.present(first)
    lab.present(second)
    outcome = lab.present(first)
    assert not [action for action in outcome.actions if action.startswith("Built")]
    assert lab.says() == "tiny 1.0"


def test_rollback_and_back_and_once_only(lab: Lab) -> None:
    lab.present(lab.tiny("1.0"))
    lab.present(lab.tiny("2.0"))
    predicted = lab.rolled_back(check=True)
    assert lab.says() == "tiny 2.0"
    assert lab.rolled_back().actions == predicted.actions != []
    assert lab.says() == "tiny 1.0"
    assert lab.rolled_back().actions == []
    assert lab.says() == "tiny 1.0"
    lab.present(lab.tiny("2.0"))
    assert lab.says() == "tiny 2.0"
    assert lab.rolled_back().actions != []
    assert lab.says() == "tiny 1.0"


def test_rollback_without_a_previous_release_says_so(lab: Lab) -> None:
    lab.present(lab.tiny("1.0"))
    with pytest.raises(Problem) as raised:
        lab.rolled_back()
    assert raised.value.rule == "env.no-previous"
    assert lab.says() == "tiny 1.0"


def test_rollback_to_a_release_whose_interpreter_is_gone_is_refused(lab: Lab) -> None:
    first = lab.tiny("1.0")
    lab.present(first)
    lab.present(lab.tiny("2.0"))
    (lab.root / "releases" / first.name / "bin" / "python").unlink()
    with pytest.raises(Problem) as raised:
        lab.rolled_back()
    assert raised.value.rule == "env.previous-damaged"
    assert lab.says() == "tiny 2.0"


def test_rollback_to_a_release_that_this_host_no_longer_loads_is_refused(lab: Lab) -> None:
    elf = "\x7fELF\x02\x01\x01" + "\0" * 9 + "half a header"
    first = lab.tiny("1.0")
    lab.present(first)
    lab.present(lab.tiny("2.0"))
    release = lab.root / "releases" / first.name
    record = json.loads((release / "release.json").read_text())
    # As if it had been built before an upgrade of the distribution: then, nobody minded this library.
    record["host"]["glibc"] = "2.17"
    (release / "release.json").write_text(json.dumps(record))
    (next(release.glob("lib/python*/site-packages")) / "tiny" / "native.so").write_text(elf)
    for check in (True, False):
        with pytest.raises(Problem) as raised:
            lab.rolled_back(check=check)
        assert raised.value.rule == "env.previous-unfit" and "native.so" in raised.value.found
        assert "it was verified on glibc 2.17, and this is" in raised.value.found
    assert lab.says() == "tiny 2.0"


@pytest.mark.parametrize("harm", ["remove", "replace", "add", "interpreter"])
def test_drift_is_repaired_beside_and_the_damaged_release_goes(lab: Lab, harm: str) -> None:
    wanted = lab.tiny("1.0")
    lab.present(wanted)
    release = lab.root / "releases" / wanted.name
    (site,) = release.glob("lib/python*/site-packages")
    if harm == "remove":
        (site / "tiny" / "__init__.py").unlink()
    elif harm == "replace":
        shutil.move(site / "tiny-1.0.dist-info", site / "tiny-0.9.dist-info")
    elif harm == "add":
        (site / "stranger-1.0.dist-info").mkdir()
    else:
        (release / "bin" / "python").unlink()
    predicted = lab.present(wanted, check=True)
    done = lab.present(wanted)
    assert predicted.actions == done.actions != []
    assert lab.says() == "tiny 1.0"
    assert lab.releases() == [lab.current()] != [wanted.name]
    assert lab.present(wanted).actions == []


def test_a_file_edited_in_place_does_not_come_back_from_the_cache(lab: Lab) -> None:
    wanted = lab.wanted(lab.lock(lab.wheel("tiny", "1.0", **{"native.so": "original"})))
    lab.present(wanted)
    (site,) = lab.root.glob("releases/*/lib/python*/site-packages")
    with open(site / "tiny" / "native.so", "r+") as stream:
        stream.write("much longer than the original")
    lab.present(wanted)
    (native,) = lab.root.glob("releases/*/lib/python*/site-packages/tiny/native.so")
    assert native.read_text() == "original"


def test_links_scripts_and_fact_are_mended_without_a_build(lab: Lab) -> None:
    wanted = lab.tiny("1.0")
    lab.present(wanted)
    Path(lab.layout.command("tiny")).unlink()
    Path(lab.layout.fact).write_text("{}")
    (lab.root / "current" / "launch" / "tiny").write_text("#!/bin/sh\nexit 3\n")
    outcome = lab.present(wanted)
    assert len(outcome.actions) == 3
    assert lab.says() == "tiny 1.0"
    assert lab.present(wanted).actions == []


def test_absent_removes_only_what_is_ours(lab: Lab) -> None:
    lab.present(lab.tiny("1.0"))
    stranger = Path(lab.layout.bin_dir) / "other"
    stranger.write_text("#!/bin/sh\n")
    predicted = lab.absent(check=True)
    assert lab.says() == "tiny 1.0"
    assert lab.absent().actions == predicted.actions != []
    assert not lab.root.exists() and os.listdir(lab.layout.bin_dir) == ["other"]
    assert not Path(lab.layout.fact).exists()
    assert lab.absent().actions == []


def test_a_shared_cache_is_used_and_never_removed(lab: Lab, tmp_path: Path) -> None:
    lab.layout = replace(lab.layout, shared_cache=str(tmp_path / "downloads"))
    for version in ("1.0", "2.0", "3.0"):
        lab.present(lab.tiny(version))
    assert not (lab.root / "cache").exists()
    site = next(lab.root.glob("releases/tiny-3.0*/lib/python*/site-packages"))
    assert (site / "tiny" / "__init__.py").stat().st_nlink > 1
    lab.absent()
    assert len(list((tmp_path / "downloads" / "archive-v0").iterdir())) == 3


def test_a_pruned_release_takes_its_downloads_along(lab: Lab) -> None:
    for version in ("1.0", "2.0", "3.0", "4.0"):
        lab.present(lab.tiny(version))
    assert len(list((lab.root / "cache" / "archive-v0").iterdir())) <= 2


def test_absent_leaves_foreign_files_in_the_root(lab: Lab) -> None:
    lab.present(lab.tiny("1.0"))
    (lab.root / "models").mkdir()
    outcome = lab.absent()
    assert os.listdir(lab.root) == ["models"]
    assert "models" in outcome.notes[0]


def test_everything_is_for_every_user_whatever_the_umask(lab: Lab) -> None:
    old = os.umask(0o077)
    try:
        lab.present(lab.tiny("1.0"))
    finally:
        os.umask(old)
    closed = [
        path
        for top in (lab.root, Path(lab.layout.bin_dir), Path(lab.layout.facts_dir))
        for path in [top, *top.rglob("*")]
        if not path.is_symlink()
        and "cache" not in path.parts
        and path.name != ".lock"
        and not path.stat().st_mode & 0o004
    ]
    assert closed == []


def _everything_below(base: Path) -> list[tuple[str, int]]:
    paths = [path for path in base.rglob("*") if "wheels" not in path.parts]
    return sorted((str(path), path.lstat().st_mtime_ns) for path in paths)
