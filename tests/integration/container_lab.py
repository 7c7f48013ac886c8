"""A release in a container to try on this machine: an image, and the command that runs it in real podman.

The image is a Debian root of the lab with a launch script for its own Python: what is tested is the way into
the container, not what lies in it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from module_utils.whisperx_container.wrapper import Command, render

__all__ = ["IMAGE", "LAB", "ROOT", "Native", "engine", "made_image"]

ROOT = Path(__file__).resolve().parents[2]
# Two files use it, perhaps at the same time in two processes.
IMAGE = f"localhost/whisperx-fleet:command-test-{os.getpid()}"
LAB = "localhost/whisperx-lab:bookworm"
LAUNCH = "exec /usr/bin/python3"
# Records every argument, becomes the real engine. A directory that shall lie over /etc does so for it alone.
RECORDER = """#!/bin/sh
for word in "$@"; do printf '%s\\n' "$word"; done >'{record}'
[ -d '{etc}' ] || exec '{engine}' "$@"
exec unshare --mount sh -c 'mount -t overlay -o "lowerdir=$0:/etc" overlay /etc && exec "$@"' '{etc}' \\
    '{engine}' "$@"
"""


def engine(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} does not run here")
    return path


def made_image() -> Iterator[None]:
    """Make the image for podman, and remove it when asked on; skips without root."""
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
    """The command ``python`` of a release, in a directory of its own. ``host``: files of a simulated host."""

    def __init__(self, base: Path, name: str = "podman") -> None:
        self.here = base / "audio"
        self.here.mkdir()
        (base / "home").mkdir()
        (base / "bin").mkdir()
        self.record = base / "record"
        self.host = base / "host"
        recorder = base / "bin" / name
        recorder.write_text(
            RECORDER.format(record=self.record, engine=engine(name), etc=self.host / "etc"), encoding="utf-8"
        )
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
