"""Test hosts that a real systemd booted, in podman."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

__all__ = ["build", "podman", "wait_for_boot"]

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = os.environ | {"CONTAINERS_CONF": str(ROOT / "tools/lab/containers.conf")}


def podman(*words: str, check: bool = True, given: str | None = None) -> str:
    """Run podman, ``given`` on its standard input; return its standard output."""
    done = subprocess.run(
        ["podman", *words], capture_output=True, text=True, check=False, env=SETTINGS, input=given
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def build(suite: str) -> None:
    """Make the image of a host that boots, unless it is there."""
    subprocess.run([ROOT / "tools/lab/build_systemd_images", suite], check=True, env=SETTINGS)


def wait_for_boot(name: str) -> None:
    """Wait until a host has started, or half a minute."""
    for _ in range(60):
        if podman("exec", name, "systemctl", "is-system-running", check=False) in ("running", "degraded"):
            return
        time.sleep(0.5)
