"""What check mode prints is what is then done; a converged host gets nothing; a failure changes nothing."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from module_utils.whisperx_problem import Problem
from module_utils.whisperx_release import perform
from tests.unit.whisperx_release.release_hosts import Host

Make = Callable[..., Host]


def tree(host: Host) -> dict[str, str]:
    """Return everything on the host but what its programs log."""
    found = {}
    for top in (host.layout.root, host.layout.bin_dir, host.layout.facts_dir):
        for path in [Path(top), *Path(top).rglob("*")]:
            if path.is_symlink():
                found[str(path)] = os.readlink(path)
            elif path.is_file() and path.name != ".lock":
                found[str(path)] = path.read_text(encoding="utf-8", errors="replace")
            elif path.is_dir():
                found[str(path)] = "directory"
    return found


def nothing(host: Host) -> None:
    pass


def fact_edited(host: Host) -> None:
    Path(host.layout.fact).write_text(json.dumps({"root": host.layout.root}), encoding="utf-8")


def command_gone(host: Host) -> None:
    os.unlink(host.layout.command("tiny"))


def strange_command(host: Host) -> None:
    os.symlink(host.layout.launcher("old"), host.layout.command("old"))


def current_gone(host: Host) -> None:
    os.unlink(host.layout.current)


def half_built(host: Host) -> None:
    (host.root / "releases" / "half").mkdir()


def record_gone(host: Host) -> None:
    (Path(host.layout.current).resolve() / "release.json").unlink()


def scripts_stale(host: Host) -> None:
    (Path(host.layout.current) / "launch" / "tiny").write_text("#!/bin/sh\n", encoding="utf-8")


def scripts_gone(host: Host) -> None:
    shutil.rmtree(Path(host.layout.current) / "launch")


DISORDERS = [
    nothing,
    fact_edited,
    command_gone,
    strange_command,
    current_gone,
    half_built,
    record_gone,
    scripts_stale,
    scripts_gone,
]


@pytest.mark.parametrize("disorder", DISORDERS)
@pytest.mark.parametrize("deed", ["1.0", "2.0", "3.0", "rolled_back", "absent"])
def test_check_mode_prints_the_steps_that_are_done(
    upgraded: Host, disorder: Callable[..., None], deed: str
) -> None:
    disorder(upgraded)
    before = tree(upgraded)
    try:
        predicted = upgraded.do(deed, check=True)
    except Problem as problem:
        with pytest.raises(Problem) as raised:
            upgraded.do(deed)
        assert raised.value.rule == problem.rule and tree(upgraded) == before
        return
    assert tree(upgraded) == before
    done = upgraded.do(deed)
    assert done.actions == predicted.actions and done.left == predicted.left
    assert (done.before, done.after, done.release) == (predicted.before, predicted.after, predicted.release)
    assert bool(predicted.actions) == (tree(upgraded) != before or bool(predicted.left))
    if deed == "absent":
        upgraded.gone()
        return
    if deed != "rolled_back":
        upgraded.whole(deed)
    again = upgraded.do(deed)
    assert [step for step in again.actions if step not in {left.sentence for left in again.left}] == []


@pytest.mark.parametrize("deed", ["1.0", "3.0"])
def test_a_failing_proof_leaves_what_was(upgraded: Host, deed: str) -> None:
    upgraded.fails = True
    names = upgraded.releases()
    try:
        upgraded.do(deed)
    except Problem as problem:
        assert problem.rule == "env.verify"
    else:
        assert (upgraded.runtime, deed) == ("container", "1.0")  # its proof still holds
        return
    upgraded.whole("2.0")
    assert upgraded.releases() == names


def unreadable(host: Host) -> None:
    (Path(host.layout.current).resolve() / "release.json").write_text("{", encoding="utf-8")


@pytest.mark.parametrize("damage", [record_gone, unreadable])
@pytest.mark.parametrize("deed", ["2.0", "3.0"])
def test_what_runs_without_a_readable_record_runs_until_another_does(
    upgraded: Host, damage: Callable[..., None], deed: str
) -> None:
    if (upgraded.runtime, deed) == ("container", "2.0"):
        pytest.skip("the commands of one image have one name; they are written anew before the proof")
    command = Path(upgraded.layout.command("tiny"))
    damage(upgraded)
    upgraded.fails = True
    with pytest.raises(Problem, match="found"):
        upgraded.do(deed)
    assert command.resolve(strict=True).is_file()
    upgraded.fails = False
    running = Path(upgraded.layout.current).resolve()
    there: dict[str, bool] = {}
    upgraded.emit = lambda event: there.update({event: running.is_dir()})
    upgraded.do(deed)
    upgraded.whole(deed)
    assert there["switch:start"]
    assert running == Path(upgraded.layout.current).resolve() or not running.exists()


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_oldest_go_and_the_active_and_the_previous_stay(make: Make, keep: int) -> None:
    host = make(keep=keep)
    for version in ("1.0", "2.0", "3.0", "4.0"):
        host.present(version)
    assert (host.current(), host.previous()) == ("4.0", "3.0")
    assert len(host.releases()) == max(keep, 2)


@pytest.mark.parametrize("clocks", [["2046", "2006", "2026", "1970"], ["1970", "2046", "2046", "2006"]])
def test_which_release_is_the_oldest_does_not_hang_on_the_clock(
    make: Make, monkeypatch: pytest.MonkeyPatch, clocks: list[str]
) -> None:
    """The clock of a host may be years off, and jump between two runs."""
    host = make(keep=3)
    for version, year in zip(("1.0", "2.0", "3.0", "4.0"), clocks, strict=True):
        monkeypatch.setattr(host, "now", lambda year=year: f"{year}-01-01T00:00:00Z")
        host.present(version)
    records = [Path(host.layout.releases, name, "release.json") for name in host.releases()]
    left = {json.loads(record.read_text(encoding="utf-8"))["versions"]["tiny"] for record in records}
    assert left == {"2.0", "3.0", "4.0"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("spared", [0, 1, 2, 3])
def test_a_rollback_needs_no_room(
    upgraded: Host, monkeypatch: pytest.MonkeyPatch, number: int, spared: int
) -> None:
    """SIMULATED: after ``spared`` more links and files, the disk takes no other."""
    left = [spared]

    def full(kept: Callable[..., None]) -> Callable[..., None]:
        def write(path: str, *rest: object) -> None:
            if not left[0]:
                raise OSError(number, os.strerror(number), path)
            left[0] -= 1
            kept(path, *rest)

        return write

    with monkeypatch.context() as patched:
        patched.setattr(perform, "link", full(perform.link))
        patched.setattr(perform.outside, "write_fact", full(perform.outside.write_fact))
        outcome = upgraded.rolled_back()
    assert upgraded.current() == upgraded.says() == "1.0"
    assert bool(outcome.notes) == (spared < 4)
    upgraded.present("1.0")
    upgraded.whole("1.0")


def test_a_full_disk_still_ends_a_run_that_makes_a_release_active(
    upgraded: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: str, target: str) -> None:
        raise OSError(errno.ENOSPC, "full", path)

    with monkeypatch.context() as patched:
        patched.setattr(perform, "link", full)
        with pytest.raises(OSError, match="full"):
            upgraded.present("3.0")
    assert upgraded.current() == "2.0"
    upgraded.present("3.0")
    upgraded.whole("3.0")


def test_a_root_behind_a_link_is_emptied_and_named(host: Host) -> None:
    real = host.base / "elsewhere"
    real.mkdir()
    os.symlink(real, host.layout.root)
    host.present("1.0")
    outcome = host.absent()
    assert os.listdir(real) == [] and os.path.islink(host.layout.root)
    assert [note for note in outcome.notes if note.startswith(f"left {host.layout.root}, which is empty")]
    assert not [action for action in host.absent().actions if host.layout.root in action]


def test_what_a_killed_removal_left_goes_with_the_next_run(make: Make) -> None:
    for number, deed in enumerate(("absent", "1.0")):
        host = make(str(number))
        host.present("1.0")
        os.rename(host.layout.root, host.layout.going)
        host.do(deed)
        assert not os.path.lexists(host.layout.going)
        assert host.says() == ("" if deed == "absent" else "1.0")
