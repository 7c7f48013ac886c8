"""Every job ends once, whatever it asks for; what must not meet does not; nothing is left running."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.suite import schedule
from tools.suite.schedule import Files, Job, Result, Runner, choose

TITLES = [f"job {number}" for number in range(6)]


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[Job], set[str], int]:
    """Some jobs, those that fail, and a capacity. They may wait for others, for themselves, or for nobody."""
    some = st.lists(st.sampled_from([*TITLES, "not in the run"]), max_size=2).map(tuple)
    jobs = [
        Job(
            title,
            ("true",),
            cost=draw(st.integers(1, 4)),
            holds=frozenset(draw(st.lists(st.sampled_from(["disk", "port"]), max_size=2))),
            after=draw(some),
            needs=draw(some),
        )
        for title in draw(st.permutations(TITLES))
    ]
    return jobs, set(draw(st.lists(st.sampled_from(TITLES)))), draw(st.integers(1, 3))


@given(plans(), st.randoms(use_true_random=False))
def test_every_job_ends_once_and_none_meets_what_it_must_not(plan: tuple, random) -> None:  # type: ignore[no-untyped-def, type-arg]
    jobs, failing, capacity = plan
    waiting, running, passed = list(jobs), list[Job](), dict[str, bool]()
    steps = 0
    while waiting or running:
        steps += 1
        assert steps < 100, "it does not end"
        job, failure = choose(waiting, running, passed, capacity)
        if job is None:
            ended = running.pop(random.randrange(len(running)))
            passed[ended.title] = ended.title not in failing
            continue
        waiting.remove(job)
        if failure:
            passed[job.title] = False
            continue
        assert all(passed.get(title, True) for title in job.needs)
        assert not {*job.after, *job.needs} & {one.title for one in (*waiting, *running, job)}
        running.append(job)
        assert len(running) == 1 or sum(one.cost for one in running) <= capacity
        held = [name for one in running for name in one.holds]
        assert len(held) == len(set(held))
    assert sorted(passed) == sorted(TITLES)


def test_a_job_that_waits_for_room_is_not_overtaken_but_one_that_waits_for_another_is() -> None:
    small, large, held = (
        Job("small", ("true",)),
        Job("large", ("true",), cost=2),
        Job("held", ("true",), holds=frozenset({"disk"})),
    )
    running = [Job("runs", ("true",), cost=2, holds=frozenset({"disk"}))]
    assert choose([large, small], running, {}, 3) == (None, "")
    assert choose([held, small], running, {}, 3) == (small, "")
    assert choose([Job("behind", ("true",), after=("runs",)), small], running, {}, 3) == (small, "")
    assert choose([large, small], [], {}, 1) == (large, "")


class Listener:
    """Remembers what was live, and each output."""

    def __init__(self) -> None:
        self.beside: dict[str, int] = {}
        self.live: list[str] = []
        self.outputs: dict[str, str] = {}

    def started(self, job: Job, beside: Sequence[Job], live: bool) -> None:
        self.beside[job.title] = len(beside)
        self.live += [job.title] if live else []

    def ended(self, result: Result, files: Files) -> None:
        if not result.live and files.output(result.job).exists():
            self.outputs[result.job.title] = files.output(result.job).read_text()


def python(title: str, code: str, **options: object) -> Job:
    return Job(title, (sys.executable, "-c", code), **options)  # type: ignore[arg-type]


def run(folder: Path, *jobs: Job, capacity: int = 2, limit: float = 60) -> tuple[dict[str, Result], Listener]:
    listener = Listener()
    results = Runner(folder, Files(folder), capacity, listener).run(jobs, limit)
    assert len(results) == len(jobs)
    return {result.job.title: result for result in results}, listener


def test_jobs_run_side_by_side_and_their_outputs_stay_apart(tmp_path: Path) -> None:
    """Each waits for the other's file: one after another they would never end."""
    code = (
        "import pathlib, sys, time\npathlib.Path('{0}').touch()\n"
        "while not pathlib.Path('{1}').exists(): time.sleep(0.01)\n"
        "print('out of {0}'); print('err of {0}', file=sys.stderr)"
    )
    results, listener = run(
        tmp_path,
        python("one", code.format("a", "b")),
        python("two", code.format("b", "a")),
        python("last", "", after=("one", "two")),
    )
    assert [result.failure for result in results.values()] == ["", "", ""]
    assert "out of a" in listener.outputs["one"] and "err of a" in listener.outputs["one"]
    assert "of a" not in listener.outputs["two"]
    assert listener.live == ["last"] and "last" not in listener.outputs
    assert listener.beside == {"one": 0, "two": 1, "last": 0}


def test_how_a_job_failed_is_said_and_what_needs_it_does_not_run(tmp_path: Path) -> None:
    results, _ = run(
        tmp_path,
        python("images", "raise SystemExit(3)"),
        python("scenario", "open('ran', 'w')", needs=("images",)),
        python("behind", "open('behind', 'w')", after=("images",)),
        Job("nobody", ("there-is-no-such-program",)),
    )
    assert results["images"].failure == "exit 3"
    assert results["scenario"].failure == "not run, images failed"
    assert results["behind"].failure == ""
    assert results["nobody"].failure.startswith("there-is-no-such-program cannot be started")
    assert (tmp_path / "behind").exists() and not (tmp_path / "ran").exists()


# Neither the shell nor its child minds a polite end.
STUBBORN = "trap '' TERM; sleep 600 & echo $! >new; mv new pids; wait; sleep 600"


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in ("Z", "X")
    except OSError:
        return True


@pytest.mark.parametrize("whole", [True, False], ids=["the run's limit", "its own limit"])
def test_a_job_that_hangs_is_ended_with_all_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    monkeypatch.setattr(schedule, "_GRACE", 0.5)
    job = Job("hangs", ("sh", "-c", STUBBORN), limit=60.0 if whole else 2.0)
    start = time.monotonic()
    results, _ = run(tmp_path, job, python("behind", "", after=("hangs",)), limit=2.0 if whole else 60.0)
    assert time.monotonic() - start < 30
    assert results["hangs"].failure.startswith("stopped after ")
    assert results["behind"].failure == ("not run, the time of the whole run is over" if whole else "")
    child = int((tmp_path / "pids").read_text())
    assert any(gone(child) or time.sleep(0.05) for _ in range(100))


def test_an_interrupt_leaves_nothing_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "_GRACE", 0.5)

    class Interrupted(Listener):
        def ended(self, result: Result, files: Files) -> None:
            raise KeyboardInterrupt

    wait = "import pathlib, time\nwhile not pathlib.Path('pids').exists(): time.sleep(0.01)"
    runner = Runner(tmp_path, Files(tmp_path), 2, Interrupted())
    with pytest.raises(KeyboardInterrupt):
        runner.run([Job("hangs", ("sh", "-c", STUBBORN)), python("quick", wait)], 60)
    child = int((tmp_path / "pids").read_text())
    assert any(gone(child) or time.sleep(0.05) for _ in range(100))
