"""The command of a container release, run by the real podman; molecule/container has the real docker.

The engine that is called first records its arguments and then becomes the real one.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.container_lab import Native, made_image

# Seconds until an end must have come: on a busy machine podman waits long for its own locks.
END = 300


@pytest.fixture(scope="module")
def image() -> Iterator[None]:
    yield from made_image()


@pytest.fixture
def native(image: None, tmp_path: Path) -> Native:
    return Native(tmp_path)


def test_exit_code_streams_and_directory(native: Native) -> None:
    code = "import os, sys; print(sys.stdin.read().upper(), os.getcwd()); sys.exit(7)"
    assert native.run("-c", code, words="words")[:2] == (7, f"WORDS {native.here}")
    assert native.run("-c", "raise SystemExit(143)")[0] == 143


def test_standard_input_is_left_to_who_reads_it(native: Native) -> None:
    """As with a native command, a loop over the lines of a file goes through all of them."""
    loop = f"while read -r line; do '{native.script}' -c 'print(1)'; done"
    done = subprocess.run(
        ["sh", "-c", loop],
        cwd=native.here,
        env=native.environment,
        input="a\nb\n",
        text=True,
        capture_output=True,
        check=True,
    )
    assert done.stdout.split() == ["1", "1"]


def test_a_relative_path_a_path_elsewhere_and_a_result(native: Native) -> None:
    (native.here / "near").write_text("near", encoding="utf-8")
    (native.here.parent / "far").mkdir()
    (native.here.parent / "far/far,1").write_text("far", encoding="utf-8")
    code = "import sys; open('made', 'w').write('-'.join(open(a).read() for a in sys.argv[1:]))"
    result = native.run("-c", code, "near", "../far/far,1")
    assert result[0] == 0, result[2]
    made = native.here / "made"
    assert (made.read_text(encoding="utf-8"), made.stat().st_uid) == ("near-far", os.getuid())


def test_placed_models_are_there_and_read_only(native: Native) -> None:
    store = native.here.parent / "placed"
    (store / "sets/one").mkdir(parents=True)
    (store / "sets/one/manifest.json").write_text("{}", encoding="utf-8")
    native.environment["WHISPERX_MODELS_DIR"] = str(store)
    place = "/opt/whisperx/models/sets/one"
    code = f"import os; print(os.listdir('{place}')); open('{place}/made', 'w')"
    code_, out, err = native.run("-c", code)
    assert code_ == 1 and out == "['manifest.json']" and "Read-only file system" in err


def test_it_can_do_nothing_but_its_work(native: Native) -> None:
    code = (
        "lines = dict(l.split(':', 1) for l in open('/proc/self/status'))\n"
        "print(int(lines['CapEff'], 16), lines['NoNewPrivs'].strip())\n"
        "open('/usr/made', 'w')"
    )
    code_, out, err = native.run("-c", code)
    assert (code_, out) == (1, "0 1") and "Read-only file system" in err


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130), ("SIGHUP", 129)])
def test_a_signal_ends_it_as_it_ends_a_native_command(native: Native, name: str, code: int) -> None:
    process = native.start("-c", "import time; print('up', flush=True); time.sleep(3600)")
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    process.send_signal(getattr(signal, name))
    process.communicate(timeout=END)
    assert process.returncode == code


def test_a_handler_of_its_own_is_heard(native: Native) -> None:
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
        "print('up', flush=True); time.sleep(3600)"
    )
    process = native.start("-c", code)
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    process.terminate()
    process.communicate(timeout=END)
    assert process.returncode == 5
