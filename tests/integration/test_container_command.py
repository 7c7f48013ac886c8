"""The command of a container release, run by the real podman; molecule/container has the real docker.

The engine that is called first records its arguments and then becomes the real one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from module_utils.whisperx_common import telemetry
from tests.integration.container_lab import Native, made_image

# Seconds until an end must have come: on a busy machine podman waits long for its own locks.
END = 300
# podman before 4.5 starts the container before it hands signals on (its issue 16901): one within these tenths
# of a second ends podman alone; 4 in 60 with 4.3.1 on a busy machine, none in 40 a second later.
PROXIED = 1.0


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


def test_nothing_is_reported_to_the_makers_unless_the_caller_wants_it(native: Native) -> None:
    code = (
        f"import json, os; print(json.dumps({{n: os.environ.get(n) for n in {sorted(telemetry.OPT_OUTS)}}}))"
    )
    assert json.loads(native.run("-c", code)[1]) == telemetry.OPT_OUTS
    for value in ("true", ""):
        native.environment["PYANNOTE_METRICS_ENABLED"] = value
        seen = json.loads(native.run("-c", code)[1])
        assert seen == telemetry.OPT_OUTS | {"PYANNOTE_METRICS_ENABLED": value}


@pytest.mark.parametrize("home", [None, "/", "/nonexistent", "read-only"])
def test_any_home_will_do(native: Native, home: str | None) -> None:
    """Home and caches can be written in there; what is not kept in the home is kept elsewhere, and said."""
    native.environment["TMPDIR"] = str(native.here)
    code = (
        "import os; kept = os.environ['HF_HOME']; open(kept + '/made', 'w').close()\n"
        "open(os.path.expanduser('~/made'), 'w').close(); print(kept)"
    )
    start: list[str] = []
    if home is None:
        del native.environment["HOME"]  # root's is in the password database
    elif home == "read-only":
        place = native.environment["HOME"]
        mount = f'mount --bind {place} {place} && mount -o remount,bind,ro {place} && exec "$@"'
        start = ["unshare", "--mount", "sh", "-c", mount, "sh"]
    else:
        native.environment["HOME"] = home
    done = subprocess.run(
        [*start, native.script, "-c", code],
        cwd=native.here,
        env=native.environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    kept = Path(done.stdout.strip())
    assert (kept / "made").is_file()
    (kept / "made").unlink()
    said = done.stderr.splitlines()
    if home is None:
        assert said == []
    else:
        assert said[0].startswith("python: caches are in /var/tmp/whisperx-0, because") and len(said) == 1


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130), ("SIGHUP", 129)])
def test_a_signal_ends_it_as_it_ends_a_native_command(native: Native, name: str, code: int) -> None:
    process = native.start("-c", "import time; print('up', flush=True); time.sleep(3600)")
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    time.sleep(PROXIED)
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
    time.sleep(PROXIED)
    process.terminate()
    process.communicate(timeout=END)
    assert process.returncode == 5
