"""Measure what the command of a container release adds to the engine's own start.

    tools/lab/with python bench/container_start.py [--repeat 15] [--engine podman] [--json]

Runs, in turns, the release's command and a bare `podman run --rm` of the same image with the same program,
which does nothing. Takes root. The image is a Debian root of the lab with a launch script: what is measured
is the way into the container, and that does not depend on what lies in the image.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from module_utils.whisperx_container.wrapper import Command, render  # noqa: E402

IMAGE = "localhost/whisperx-fleet:start-bench"
RECIPE = """FROM localhost/whisperx-lab:bookworm
WORKDIR /work
RUN mkdir -p /opt/whisperx/current/launch && cd /opt/whisperx/current/launch && \
    printf '#!/bin/sh\\nexec /usr/bin/python3 "$@"\\n' >python && chmod 755 python
"""
LAUNCH = "/opt/whisperx/current/launch/python"
PROGRAM = ["-c", "pass"]
BOUND = 1.1


def timed(command: list[str], directory: str) -> float:
    start = time.monotonic()
    subprocess.run(command, cwd=directory, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def build(engine: str) -> None:
    subprocess.run([ROOT / "tools/lab/build_images", "bookworm"], check=True)
    command = [engine, "build", "--quiet", "--network", "none", "--tag", IMAGE, "-"]
    subprocess.run(command, input=RECIPE, text=True, check=True, stdout=subprocess.DEVNULL)


def version(engine: str) -> tuple[int, ...]:
    told = subprocess.run([engine, "--version"], check=True, capture_output=True, text=True).stdout
    return tuple(int(part) for part in told.split()[2].rstrip(",").split("+")[0].split("."))


def main() -> int:
    """Measure, print the medians and what is behind them; 1 where the bound is missed."""
    parser = argparse.ArgumentParser(description="Measure the start of a container release's command.")
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--engine", choices=("podman", "docker"), default="podman")
    parser.add_argument("--json", action="store_true", help="print the seconds, and judge nothing")
    options = parser.parse_args()
    build(options.engine)
    try:
        with tempfile.TemporaryDirectory() as directory:
            numbers = version(options.engine)
            command = Command("start-bench", options.engine, numbers, IMAGE, (), network="host")
            script = Path(directory) / "python"
            script.write_text(render(command)["python"], encoding="utf-8")
            script.chmod(0o755)
            bare = [options.engine, "run", "--rm", "--network=host", IMAGE, LAUNCH, *PROGRAM]
            rows: dict[str, list[float]] = {"the release's command": [], "bare run": []}
            for _ in range(options.repeat):
                rows["the release's command"].append(timed([str(script), *PROGRAM], directory))
                rows["bare run"].append(timed(bare, directory))
    finally:
        subprocess.run([options.engine, "rmi", "--force", IMAGE], check=True, stdout=subprocess.DEVNULL)
    if options.json:
        print(json.dumps(dict(zip(("ours", "bare"), rows.values(), strict=True))))
        return 0
    for title, seconds in rows.items():
        print(f"{title:<24} {statistics.median(seconds):6.3f} s  {min(seconds):.3f} to {max(seconds):.3f}")
    ours, theirs = (statistics.median(seconds) for seconds in rows.values())
    behind = f"({os.cpu_count()} CPUs, {options.repeat} pairs)"
    print(f"{'ratio':<24} {ours / theirs:6.2f}    bound {BOUND}  {behind}")
    return 0 if ours / theirs <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
