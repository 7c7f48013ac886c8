"""The wheel that the repair is tried on, and hosts with older and newer C libraries to run it on."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from module_utils.whisperx_problem import Problem
from tools.catalogue.index import Index, default_index
from tools.refresh_catalogue import OUTPUT

__all__ = ["PYTHON", "VERSION", "Hosts", "download"]

ROOT = Path(__file__).resolve().parents[2]
# The CTranslate2 that WhisperX pinned for long; its library asks for an executable stack.
VERSION = "4.4.0"
# The Python of the oldest test host, which all of them run: the wheel has none for the newer hosts' own.
PYTHON, LENDER = "3.11", "bookworm"
# Suite -> glibc.
SUITES = {"bookworm": "2.36", "trixie": "2.41", "forky": "2.43"}
SETTINGS = ROOT / "tools/lab/containers.conf"


def download(directory: Path, python: str = PYTHON, version: str = VERSION) -> Path:
    """Fetch the wheel for a Python, checked against the catalogue; skips where that cannot be."""
    if platform.machine() != "x86_64":
        pytest.skip("only x86_64 wheels ask for an executable stack")
    tag = f"-cp{python.replace('.', '')}-manylinux"
    data = json.loads((OUTPUT / "ctranslate2.json").read_text())
    asking = [
        wheel
        for release in data["releases"]
        if release["version"] == version
        for wheel in release["wheels"]
        if tag in wheel["file"] and "x86_64" in wheel["file"]
    ]
    if not asking:
        pytest.skip(f"no such wheel for Python {python}")
    wanted = asking[0]
    index = None
    try:
        index = Index(default_index())
        url = next(item.url for item in index.files("ctranslate2") if item.name == wanted["file"])
        path = directory / wanted["file"]
        path.write_bytes(index.get(url))
    except Problem as problem:
        pytest.skip(f"the index cannot be reached: {problem}")
    finally:
        if index is not None:
            index.close()
    assert hashlib.sha256(path.read_bytes()).hexdigest() == wanted["sha256"]
    return path


class Hosts:
    """Containers of Debian's suites, without a network. The checkout and ``base`` are where they are here."""

    def __init__(self, base: Path) -> None:
        if os.getuid() != 0 or not all(shutil.which(name) for name in ("podman", "runc", "mmdebstrap")):
            pytest.skip("takes root, podman, runc and mmdebstrap")
        self.base = base
        self._environment = {
            **os.environ,
            "CONTAINERS_CONF": os.environ.get("CONTAINERS_CONF", str(SETTINGS)),
        }
        done = subprocess.run(
            [ROOT / "tools/lab/build_images", *SUITES], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"no test hosts: {done.stderr[-300:]}")

    @property
    def python(self) -> str:
        """A command that runs the lent interpreter on any of the hosts."""
        return "/lent/usr/bin/python" + PYTHON

    def run(self, suite: str, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command on a fresh host of the suite."""
        values = {"PYTHONHOME": "/lent/usr", "PYTHONDONTWRITEBYTECODE": "1", **environment}
        options = [f"--env={name}={value}" for name, value in values.items()]
        lent = f"type=image,source=localhost/whisperx-lab:{LENDER},destination=/lent"
        options += [
            "--mount",
            lent,
            "--volume",
            f"{ROOT}:{ROOT}:ro",
            "--volume",
            f"{self.base}:{self.base}:ro",
        ]
        return subprocess.run(
            [
                "podman",
                "run",
                "--rm",
                "--network",
                "none",
                *options,
                f"localhost/whisperx-lab:{suite}",
                *command,
            ],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
