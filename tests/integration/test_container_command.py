"""The command of a container release, run by the real podman; molecule/container has the real docker.

The image is a Debian root of the lab with a launch script for its own Python: what is tested is the command,
not what it runs. The engine that is called first records its arguments and then becomes the real one.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from module_utils.whisperx_container.wrapper import Command, render

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "localhost/whisperx-fleet:command-test"
LAB = "localhost/whisperx-lab:bookworm"
LAUNCH = "exec /usr/bin/python3"
# Records every argument, leaves out what only machines with a GPU know (SIMULATED), becomes the real engine.
RECORDER = """#!/bin/sh
for word in "$@"; do printf '%s\\n' "$word"; done >'{record}'
for word in "$@"; do
    shift
    case $word in --device=nvidia.com/gpu=all | --gpus=all) ;; *) set -- "$@" "$word" ;; esac
done
exec '{engine}' "$@"
"""


def engine(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} does not run here")
    return path


@pytest.fixture(scope="module")
def image() -> Iterator[None]:
    """Make the image for podman, and remove it."""
    if os.getuid() != 0:
        pytest.skip("takes root")
    settings = os.environ | {"CONTAINERS_CONF": str(ROOT / "tools/lab/containers.conf")}
    subprocess.run([ROOT / "tools/lab/build_images", "bookworm"], check=True, env=settings)
    recipe = f"FROM {LAB}\nWORKDIR /work\nRUN mkdir -p /opt/whisperx/current/launch"
    for name in ("python", "whisperx"):
        path = f"/opt/whisperx/current/launch/{name}"
        recipe += f" && printf '#!/bin/sh\\n{LAUNCH} \"$@\"\\n' >{path} && chmod 755 {path}"
    build = ["podman", "build", "--quiet", "--network", "none", "--tag", IMAGE, "-"]
    subprocess.run(build, input=recipe, text=True, check=True, env=settings, capture_output=True)
    yield
    subprocess.run(["podman", "rmi", "--force", IMAGE], check=True, env=settings, capture_output=True)


class Native:
    """The command ``python`` of a release, in a directory of its own."""

    def __init__(self, base: Path, name: str = "podman") -> None:
        self.here = base / "audio"
        self.here.mkdir()
        (base / "home").mkdir()
        (base / "bin").mkdir()
        self.record = base / "record"
        recorder = base / "bin" / name
        recorder.write_text(RECORDER.format(record=self.record, engine=engine(name)), encoding="utf-8")
        recorder.chmod(0o755)
        self.command = Command("command-test", name, (4, 3), IMAGE, ("whisperx",), network="host")
        self.script = base / "python"
        self.environment = {
            "PATH": f"{base / 'bin'}:{os.environ['PATH']}",
            "HOME": str(base / "home"),
            "CONTAINERS_CONF": str(ROOT / "tools/lab/containers.conf"),
        }
        self.write(self.command)

    def write(self, command: Command) -> None:
        self.script.write_text(render(command)["python"], encoding="utf-8")
        self.script.chmod(0o755)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [self.script, *arguments],
            cwd=self.here,
            env=self.environment,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
        )

    def run(self, *arguments: str, words: str = "") -> tuple[int, str, str]:
        process = self.start(*arguments)
        out, err = process.communicate(words, timeout=120)
        return process.returncode, out.strip(), err


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
    process = native.start("-c", "import time; print('up', flush=True); time.sleep(60)")
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    before = time.monotonic()
    process.send_signal(getattr(signal, name))
    process.communicate(timeout=30)
    assert process.returncode == code and time.monotonic() - before < 20


def test_a_handler_of_its_own_is_heard(native: Native) -> None:
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
        "print('up', flush=True); time.sleep(60)"
    )
    process = native.start("-c", code)
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 5


def test_a_plan_for_a_gpu_reaches_the_engine(native: Native, tmp_path: Path) -> None:
    """SIMULATED: driver, devices and specification are files; the recorder takes the option out again."""
    for path in ("sys/module/nvidia", "dev", "etc/cdi"):
        (tmp_path / "gpu" / path).mkdir(parents=True)
    (tmp_path / "gpu/sys/module/nvidia/version").write_text("570.124.06\n", encoding="utf-8")
    (tmp_path / "gpu/dev/nvidiactl").touch()
    (tmp_path / "gpu/etc/cdi/nvidia.yaml").write_text("kind: nvidia.com/gpu\n", encoding="utf-8")
    native.write(replace(native.command, gpu="cdi", driver="570.26", host_root=str(tmp_path / "gpu")))
    assert native.run("-c", "print(1)")[:2] == (0, "1")
    words = native.record.read_text(encoding="utf-8").splitlines()
    assert "--device=nvidia.com/gpu=all" in words[: words.index(IMAGE)]
