"""Sick environments of real packages, and the doctor asked about them, here or on another Debian."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["ROOT", "Lab", "ask", "listing"]

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "localhost/whisperx-lab"
CONTAINERS = {"CONTAINERS_CONF": str(ROOT / "tools/lab/containers.conf")}
# Where a container has the interpreter of another suite.
OTHER = "/opt/other-python"


def listing(tree: Path) -> dict[str, str]:
    """Return every path below ``tree`` with all that would tell of a change, also in small files."""
    found = {}
    for path in sorted(tree.rglob("*")):
        state = path.lstat()
        told = f"{state.st_mode} {state.st_uid} {state.st_size} {state.st_mtime_ns} {state.st_ctime_ns}"
        if path.is_symlink():
            told += f" {path.readlink()}"
        elif path.is_file() and state.st_size < 1 << 16:
            told += " " + hashlib.sha256(path.read_bytes()).hexdigest()
        found[str(path)] = told
    return found


def ask(*words: str, python: str = "/usr/bin/python3") -> tuple[int, dict[str, Any]]:
    """Run tools/doctor as a user would; return the exit code and its JSON."""
    command = [str(ROOT / "tools/doctor"), "--json", *words]
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHON": python}
    environment["TMPDIR"] = os.environ.get("TMPDIR", "/tmp")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@dataclass(frozen=True)
class Lab:
    """``place``: where environments are made; ``uv``: the program."""

    place: Path
    uv: str

    def here(self, name: str, *packages: str) -> Path:
        """Make a virtual environment for this machine's Python; return it."""
        venv = self.place / name
        python = shutil.which("python3", path="/usr/bin") or "python3"
        subprocess.run([self.uv, "venv", "-q", "--python", python, str(venv)], check=True)
        self.add(venv, *packages)
        return venv

    def add(self, venv: Path, *packages: str) -> None:
        """Install more packages, whatever else is there and wants."""
        if not packages:
            return
        command = [self.uv, "pip", "install", "-q", "--no-deps", "--python", str(venv / "bin/python")]
        # A copy: what a test damages must not be in the cache as well.
        subprocess.run([*command, "--link-mode", "copy", *packages], check=True)

    def elsewhere(
        self, name: str, python: str, platform: str, *packages: str, dependencies: bool = False
    ) -> Path:
        """Make an environment whose Python is in a container, of wheels for ``platform``, or add to one that
        was made before; return it. Without ``dependencies`` just these packages are installed.
        """
        venv = self.place / name
        site = venv / f"lib/python{python}/site-packages"
        if not venv.exists():
            site.mkdir(parents=True)
            (venv / "bin").mkdir()
            (venv / "bin/python").symlink_to(f"{OTHER}/bin/python{python}")
        (venv / "pyvenv.cfg").write_text(f"home = {OTHER}/bin\ninclude-system-site-packages = false\n")
        command = [self.uv, "pip", "install", "-q", "--target", str(site), "--python-version", python]
        command += ["--python-platform", platform, "--only-binary", ":all:", *packages]
        command += [] if dependencies else ["--no-deps"]
        subprocess.run(command, check=True)
        return venv

    def interpreter(self, suite: str, python: str) -> Path:
        """Take the Python of a suite out of its image; return the directory that holds bin and lib."""
        taken = self.place / f"python-{suite}"
        for folder in ("bin", "lib"):
            (taken / folder).mkdir(parents=True)
        image = f"{IMAGE}:{suite}"
        name = subprocess.run(
            ["podman", "create", image, "true"],
            env=self._podman(),
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        try:
            for source, folder in ((f"/usr/bin/python{python}", "bin"), (f"/usr/lib/python{python}", "lib")):
                copy = ["podman", "cp", f"{name}:{source}", str(taken / folder)]
                subprocess.run(copy, env=self._podman(), check=True, capture_output=True)
        finally:
            subprocess.run(["podman", "rm", "-f", name], env=self._podman(), check=False, capture_output=True)
        return taken

    def ask_in(
        self, suite: str, interpreter: Path, venv: Path, *words: str, at: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """Ask in a container of ``suite``, with the environment mounted where it lies or ``at``, writable."""
        at = at or str(venv)
        command = ["podman", "run", "--rm", "--network", "none", "--label", "whisperx-lab=doctor"]
        command += ["--volume", f"{ROOT}:/checkout:ro", "--volume", f"{interpreter}:{OTHER}:ro"]
        command += ["--volume", f"{venv}:{at}", f"{IMAGE}:{suite}"]
        command += ["/checkout/tools/doctor", "--json", at, *words]
        done = subprocess.run(command, env=self._podman(), capture_output=True, text=True, check=False)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def _podman(self) -> dict[str, str]:
        return {**os.environ, **CONTAINERS}
