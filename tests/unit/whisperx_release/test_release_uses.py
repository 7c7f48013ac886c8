"""A release that a real process uses is not pruned, and what runs an older release is found."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from module_utils.whisperx_release import perform, state, uses
from module_utils.whisperx_release.model import Decision, Options, Outcome, Step
from module_utils.whisperx_release.runtime import Run, Runtime
from tests.unit.whisperx_release.release_hosts import Host

MAPS = (
    "import mmap, sys, time; f = open(sys.argv[1], 'rb'); m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ); "
)
WAITS = "print('ready', flush=True); time.sleep(60)"


@contextlib.contextmanager
def running(*argv: str, **options: object) -> Iterator[int]:
    """Run a real program that says when it is ready."""
    with subprocess.Popen([sys.executable, "-c", *argv], stdout=subprocess.PIPE, **options) as child:  # type: ignore[call-overload]
        try:
            assert child.stdout.readline() == b"ready\n"
            yield child.pid
        finally:
            child.kill()


def mapped(release: Path) -> contextlib.AbstractContextManager[int]:
    return running(MAPS + WAITS, str(release / "release.json"))


def within(release: Path) -> contextlib.AbstractContextManager[int]:
    return running("import time; " + WAITS, cwd=release)


def named(release: Path) -> contextlib.AbstractContextManager[int]:
    return running("import time; " + WAITS, env={**os.environ, "LD_LIBRARY_PATH": f"/a:{release}/lib:/b"})


Way = Callable[[Path], contextlib.AbstractContextManager[int]]


def release_of(host: Host, version: str) -> Path:
    host.present(version)
    return Path(os.path.realpath(host.layout.current))


@pytest.mark.parametrize("way", [mapped, within, named])
def test_a_release_that_a_process_uses_is_kept(host: Host, way: Way) -> None:
    first = release_of(host, "1.0")
    with way(first) as pid:
        host.present("2.0")
        predicted, done = host.present("3.0", check=True), host.present("3.0")
        assert predicted.actions == done.actions and predicted.notes == done.notes
        assert f"process {pid} (" in " ".join(done.notes) and first.name in " ".join(done.notes)
        assert first.is_dir()
        assert not [
            action for action in host.present("3.0").actions if first.name in action and "image" not in action
        ]
    assert f"Removed release {first.name}" in host.present("3.0").actions
    assert not first.exists()


def test_a_process_that_came_after_the_decision_keeps_its_release(upgraded: Host) -> None:
    first = Path(os.path.realpath(upgraded.layout.previous))
    before = state.read(upgraded.layout)
    step = Step("discard", first.name)
    runtime = Runtime(upgraded.layout, Options(), upgraded.hooks)
    run = Run(upgraded.layout, runtime, upgraded.hooks, before, Decision((step,), ""), Outcome())
    with mapped(first):
        outcome = perform.perform(run)
    assert first.is_dir() and first.name in outcome.notes[0]


def test_what_runs_an_older_release_is_found_also_when_it_is_gone(host: Host) -> None:
    first = release_of(host, "1.0")
    with mapped(first) as pid:
        assert uses.older(host.layout, state.read(host.layout)) == []
        host.present("2.0")
        [(process, release)] = uses.older(host.layout, state.read(host.layout))
        assert (process.pid, release) == (pid, first.name)
        assert str(pid) in process.sentence
        for path in sorted(first.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        first.rmdir()
        [(process, release)] = uses.older(host.layout, state.read(host.layout))
        assert (process.pid, release) == (pid, first.name)


def test_what_only_names_an_older_release_does_not_run_it(host: Host) -> None:
    first = release_of(host, "1.0")
    with within(first), named(first):
        host.present("2.0")
        assert uses.older(host.layout, state.read(host.layout)) == []


def test_an_engine_that_runs_the_image_of_a_release_uses_it(host: Host) -> None:
    first = release_of(host, "1.0")
    found = state.read(host.layout)
    image = {image: name for image, name in uses.images(found).items() if name == first.name}
    with running("import time; " + WAITS, "run", next(iter(image), "none")) as pid:
        busy = uses.using(host.layout, found, [first.name])
    assert [process.pid for process in busy.get(first.name, [])] == ([pid] if image else [])


def test_a_removal_names_what_still_runs(host: Host) -> None:
    with mapped(release_of(host, "1.0")) as pid:
        assert f"process {pid} (" in " ".join(host.absent().notes)
    host.gone()


def test_names_of_processes_steer_no_terminal(host: Host) -> None:
    first = release_of(host, "1.0")
    renames = "open('/proc/self/comm', 'w').write('\\x1b[31mbad'); "
    with running(MAPS + renames + WAITS, str(first / "release.json")):
        time.sleep(0)
        [process] = uses.using(host.layout)[first.name]
    assert process.name.isprintable() and "bad" in process.name
