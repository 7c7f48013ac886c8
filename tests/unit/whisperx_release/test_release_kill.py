"""Killed at any instant, and two runs at once: what is active works, and the next run completes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from module_utils.whisperx_problem import Problem
from tests.attack.strength import FULL, amount
from tests.unit.whisperx_release import release_hosts
from tests.unit.whisperx_release.release_hosts import BUSY, REFUSED, Host, waited, when_free

Make = Callable[..., Host]
MOST = 60
# Changes on the disk that a run makes at most, and of how many the short form takes one.
MOST_CHANGES, STEP_CHANGES = 400, 1 if FULL else 16
# The short form kills at every third event, and begins with another one for each deed and runtime.
STEP = 1 if FULL else 3


def events(host: Host, before: list[str], deed: str, most: int = MOST, step: int = STEP) -> Iterator[int]:
    """Yield the numbers of events to be killed at; at each, the host has the versions of ``before`` anew."""
    tops, kept = ("root", "bin", "facts"), host.base / "kept"
    for version in before:
        host.present(version)
    for top in tops if before else ():
        shutil.copytree(host.base / top, kept / top, symlinks=True)
    for event in range(1 + zlib.crc32(f"{host.runtime} {before} {deed}".encode()) % step, most, step):
        for top in tops:
            shutil.rmtree(host.base / top, ignore_errors=True)
            if before:
                shutil.copytree(kept / top, host.base / top, symlinks=True)
        yield event


# What was there, what is done, and how many events that has at least.
DEEDS = [
    ([], "1.0", 12),
    (["1.0"], "2.0", 12),
    (["1.0", "2.0"], "3.0", 14),
    (["1.0", "2.0"], "1.0", 5),
    (["1.0", "2.0"], "rolled_back", 7),
    (["1.0", "2.0"], "absent", 7),
]


@pytest.mark.parametrize(("before", "deed", "least"), DEEDS)
def test_killed_at_every_event(host: Host, before: list[str], deed: str, least: int) -> None:
    kills = 0
    for event in events(host, before, deed):
        killed = host.killed_at(deed, event)
        completed(host, before, deed)
        if not killed:
            break
        kills += 1
    print(f"KILLS {host.runtime} {before} {deed}: {kills} at an event")
    assert least <= event < MOST


@pytest.mark.parametrize(("before", "deed", "least"), DEEDS)
def test_killed_before_every_change_on_the_disk(host: Host, before: list[str], deed: str, least: int) -> None:
    """In the short form before every sixteenth. `-s` prints how many there were."""
    kills = 0
    for change in events(host, before, deed, MOST_CHANGES, STEP_CHANGES):
        if not host.killed_at(deed, change, change=True):
            break
        kills += 1
        completed(host, before, deed)
    print(f"KILLS {host.runtime} {before} {deed}: {kills} before a change on the disk")
    assert (kills > least or not FULL) and change < MOST_CHANGES


def completed(host: Host, before: list[str], deed: str) -> None:
    """Assert that after a kill what was active works, and that the same run then comes to its end."""
    versions = set(before) | ({deed} if deed[0].isdigit() else set())
    if deed != "absent":
        assert host.says() in (versions if before else versions | {""})
        assert host.says() == host.current() or not before
    host.do(deed)
    if deed == "absent":
        host.gone()
    else:
        host.whole(deed if deed[0].isdigit() else before[0])
        assert host.do(deed).actions == [] or host.runtime == "container"


def test_what_a_killed_run_started_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """uv dies with the run, what uv started does not, and would write into what the next run makes."""
    late = 'release=${last%/*}; (touch "$release/begun"; sleep 1; mkdir -p "$release/late") & '
    monkeypatch.setattr(release_hosts, "UV", release_hosts.UV.replace("release=${last%/*}", late + "wait"))
    host = release_hosts.VenvHost(tmp_path)
    pid = host.start("2.0")
    while not list(host.root.glob("releases/*/begun")):
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with pytest.raises(Problem) as raised:
        host.present("1.0")
    assert raised.value.rule == "env.busy"
    when_free(lambda: host.present("1.0"))
    time.sleep(1)
    host.whole("1.0")
    assert len(host.releases()) == 1


def test_killed_at_random_instants(host: Host) -> None:
    """One run after the other on the same host, whatever state the kill before left it in."""
    chance, kills = random.Random(host.runtime), 0
    host.present("1.0")
    wanted = amount(2, 200)
    for _ in range(20 * wanted):
        if kills == wanted:
            break
        was, deed = host.says(), chance.choice(["1.0", "2.0", "3.0", "rolled_back", "absent"])
        pid = host.start(deed)
        time.sleep(chance.uniform(0, 0.15))
        os.kill(pid, signal.SIGKILL)
        kills += os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        assert deed in ("rolled_back", "absent") or host.says() in (was, deed)
        when_free(lambda: host.present("1.0"))
        host.whole("1.0")
    print(f"KILLS {host.runtime}: {kills} at random instants")
    assert kills > wanted / 2


def test_a_rollback_that_was_killed_is_not_undone_by_the_next(host: Host) -> None:
    for event in events(host, ["1.0", "2.0"], "rolled_back"):
        killed = host.killed_at("rolled_back", event)
        for _ in range(3):
            host.rolled_back()
            assert host.current() == "1.0"
        if not killed:
            break
    assert host.previous() == "2.0"


@pytest.mark.parametrize("second", ["1.0", "3.0", "rolled_back", "absent"])
@pytest.mark.parametrize("first", ["3.0", "rolled_back", "absent"])
def test_a_run_during_another_is_refused_at_each_of_its_steps(make: Make, first: str, second: str) -> None:
    host, other = make(), make()
    for version in ("1.0", "2.0"):
        host.present(version)
    refused: list[str] = []

    def emit(event: str) -> None:
        if event == "root":
            return
        if not os.path.exists(host.layout.path(".lock")):
            return  # the last instant of a removal
        try:
            other.do(second)
        except Problem as problem:
            refused.append(problem.rule)

    host.emit = emit
    host.do(first)
    assert refused and set(refused) <= {"env.busy", "env.no-previous"}
    if first == "absent":
        host.gone()
    else:
        host.whole("3.0" if first == "3.0" else "1.0")


@pytest.mark.parametrize("between", ["1.0", "3.0", "rolled_back", "absent"])
@pytest.mark.parametrize("deed", ["1.0", "2.0", "4.0", "rolled_back", "absent"])
def test_what_another_run_did_before_the_lock_counts(make: Make, deed: str, between: str) -> None:
    """The other run comes to its end after this one has read the state and before it holds the lock."""
    host, other = make(), make()
    for version in ("1.0", "2.0"):
        host.present(version)
    told: list[str] = []

    def emit(event: str) -> None:
        if event == "root":
            other.do(between)
            told.append(other.current())

    host.emit = emit
    try:
        host.do(deed)
    except Problem as problem:
        # After a removal there is nothing to go back to, and no lock of the root that was.
        assert between == "absent" and problem.rule in ("env.no-previous", "env.busy")
        host.gone()
        return
    if not told:
        assert deed == "2.0"  # converged: nothing to take the lock for
    elif deed == "absent":
        host.gone()
    elif deed == "rolled_back":
        assert host.current() in ("1.0", "2.0") and host.current() == host.says()
        assert between == "rolled_back" or host.current() != told[0]
    else:
        host.whole(deed)
        assert host.previous() in (told[0], "1.0", "2.0") and host.previous() != deed


def test_races_end_with_a_host_that_one_of_the_runs_would_have_made(make: Make) -> None:
    outcomes = set()
    for number, pair in enumerate(
        [("3.0", "4.0"), ("3.0", "rolled_back"), ("3.0", "absent"), ("4.0", "4.0")] * (3 if FULL else 1)
    ):
        host = make(str(number))
        for version in ("1.0", "2.0"):
            host.present(version)
        gun = str(host.base / "gun")
        pids = [host.start(deed, wait=gun) for deed in pair]
        open(gun, "w").close()
        codes = list(waited(pids))
        assert set(codes) <= {0, BUSY, REFUSED}, codes
        outcomes |= set(codes)
        assert 0 in codes
        if "absent" in pair:
            host.absent()
            host.gone()
        else:
            assert host.current() == host.says() != ""
            host.present("1.0")
            host.whole("1.0")
    assert 0 in outcomes
