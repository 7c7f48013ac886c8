"""Killed at any instant, nothing is lost: what was in use works, and the next run completes.

The run is a process of its own that gets SIGKILL, at each of its steps (in short at every third) and at
random instants. uv is the real one.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import env_lab
import pytest
from env_lab import Lab, prove

from module_utils.whisperx_problem import Problem
from module_utils.whisperx_release.hooks import Hooks
from tests.attack.strength import amount
from tests.unit.whisperx_release.release_hosts import when_free

ROOT = Path(__file__).parents[2]
# Kills at random instants, spread over the time a run takes, and of how many events one is a kill.
RANDOM_KILLS = amount(16, 50)
STEP = amount(3, 1)


def start(lab: Lab, deed: str, version: str = "0", event: int = 0) -> subprocess.Popen[str]:
    """Start a run; ``event`` is the number of the event at which it kills itself, 0 for never."""
    path = os.pathsep.join([str(ROOT), str(Path(env_lab.__file__).parent)])
    command = [sys.executable, env_lab.__file__, str(lab.base), deed, version, str(event)]
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def killed_at(lab: Lab, deed: str, version: str, event: int) -> bool:
    """Run until an event; return whether the run was killed there, False when it came to its end before."""
    process = start(lab, deed, version, event)
    process.communicate(timeout=60)
    assert process.returncode in (0, -signal.SIGKILL)
    return process.returncode != 0


def settled(lab: Lab) -> None:
    """Assert that the host is as after an undisturbed run."""
    assert lab.root.is_dir()
    assert all((lab.root / "releases" / name / "release.json").is_file() for name in lab.releases())
    assert not [path for path in lab.root.iterdir() if path.name.endswith(".new")]


def test_killed_at_the_events_of_a_first_installation(tmp_path: Path) -> None:
    event = 1
    while True:
        lab = Lab(tmp_path / str(event))
        if not killed_at(lab, "present", "1.0", event):
            break
        assert lab.says() in ("", "tiny 1.0")
        lab.present(lab.tiny("1.0"))
        assert lab.says() == "tiny 1.0"
        settled(lab)
        event += STEP
    assert event > 20


def test_killed_at_the_events_of_an_upgrade_that_prunes(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    versions = [f"1.{number}" for number in range(100)]
    for version in versions[:2]:
        lab.present(lab.tiny(version))
    old = versions[1]
    for event, version in zip(range(1, 100, STEP), versions[2:], strict=False):
        killed = killed_at(lab, "present", version, event)
        assert lab.says() in (f"tiny {old}", f"tiny {version}")
        lab.present(lab.tiny(version))
        assert lab.says() == f"tiny {version}"
        assert Path(lab.layout.previous).readlink().name.startswith(f"tiny-{old}")
        assert len(lab.releases()) == 2
        settled(lab)
        if not killed:
            break
        old = version
    assert event > 20


def test_killed_at_the_events_of_a_rollback(tmp_path: Path) -> None:
    for event in range(1, 20, STEP):
        lab = Lab(tmp_path / str(event))
        lab.present(lab.tiny("1.0"))
        lab.present(lab.tiny("2.0"))
        killed = killed_at(lab, "rolled_back", "0", event)
        assert lab.says() in ("tiny 1.0", "tiny 2.0")
        lab.rolled_back()
        assert lab.says() == "tiny 1.0"
        assert lab.rolled_back().actions == []
        if not killed:
            break
    assert event > 6


def test_killed_at_the_events_of_a_removal(tmp_path: Path) -> None:
    for event in range(1, 20, STEP):
        lab = Lab(tmp_path / str(event))
        lab.present(lab.tiny("1.0"))
        lab.present(lab.tiny("2.0"))
        killed = killed_at(lab, "absent", "0", event)
        lab.absent()
        assert not lab.root.exists() and not os.path.lexists(lab.layout.bin_dir)
        if not killed:
            break
    assert event > 6


def test_killed_at_random_instants(tmp_path: Path) -> None:
    seed = int(os.environ.get("LAB_SEED") or time.time())
    print(f"LAB_SEED={seed}")
    chance = random.Random(seed)
    lab = Lab(tmp_path)
    assert not killed_at(lab, "present", "1.0", 0)
    started = time.monotonic()
    assert not killed_at(lab, "present", "1.1", 0)
    span = time.monotonic() - started
    old, killed, number = "1.1", 0, 0
    while killed < RANDOM_KILLS:
        number += 1
        version = f"2.{number}"
        process = start(lab, "present", version)
        time.sleep(chance.uniform(0.1, 0.9 * span))
        process.kill()
        process.communicate()
        killed += process.returncode != 0
        assert lab.says() in (f"tiny {old}", f"tiny {version}")
        # Half of the time the next run is killed too, on top of what this one left.
        if chance.random() < 0.5:
            when_free(lambda wanted=version: lab.present(lab.tiny(wanted)))
            assert lab.says() == f"tiny {version}"
            settled(lab)
        old = lab.says().split()[1]


def test_uv_does_not_outlive_a_killed_run(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    process = start(lab, "present", "1.0", event=0)
    deadline = time.monotonic() + 30
    while not (children := children_of(process.pid)) and time.monotonic() < deadline:
        pass
    process.kill()
    process.communicate()
    time.sleep(0.2)
    assert not [pid for pid in children if alive(pid)]


@pytest.mark.parametrize("second", ["present", "rolled_back", "absent"])
def test_a_second_run_at_the_same_time_is_told_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second: str
) -> None:
    lab = Lab(tmp_path)
    lab.present(lab.tiny("1.0"))
    lab.present(lab.tiny("2.0"))
    inside = []

    def emit(event: str) -> None:
        if event == "build:sync":
            with pytest.raises(Problem) as raised:
                lab.present(lab.tiny("4.0")) if second == "present" else getattr(lab, second)()
            inside.append(raised.value)

    monkeypatch.setattr(lab, "hooks", lambda: Hooks(prove, emit))
    lab.present(lab.tiny("3.0"))
    assert [problem.rule for problem in inside] == ["env.busy"]
    assert str(os.getpid()) in inside[0].found
    assert lab.says() == "tiny 3.0"


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def alive(pid: int) -> bool:
    """Return whether a process runs, zombies not counted."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
