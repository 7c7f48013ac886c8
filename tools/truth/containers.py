"""Probes installed sets inside the container of a suite, everything mounted read-only."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from module_utils.whisperx_problem import Problem
from module_utils.whisperx_verify.records import Module, Request
from module_utils.whisperx_verify.sources import write_probe

from . import inside
from .install import Installer
from .rows import FFMPEG, Combination

__all__ = ["IMAGE", "Answer", "Lab"]

IMAGE = "localhost/whisperx-lab"
_CONFIG = Path(__file__).resolve().parents[1] / "lab" / "containers.conf"
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_MOST = 120.0  # seconds a level of one probe may take


@dataclass(frozen=True)
class Answer:
    """What really happened: ``good`` None where nothing could be run. ``why``: the first finding."""

    good: bool | None
    why: str = ""


@dataclass(frozen=True)
class Lab:
    """``interpreters``: a directory of Pythons (NAME/bin/pythonX.Y), None for only those of the suites."""

    installer: Installer
    imports: Mapping[str, str]
    interpreters: Path | None = None

    def missing_images(self, suites: Sequence[str]) -> list[str]:
        """Return the suites without an image."""
        plain = dict.fromkeys(suite.removesuffix(FFMPEG) for suite in suites)
        return [suite for suite in plain if self._podman("image", "exists", _image(suite))]

    def add_ffmpeg(self, suite: str, python: str) -> None:
        """Make the image of a suite with FFmpeg and libpython, where it is not there already.

        Raises Problem "truth.container".
        """
        if not suite.endswith(FFMPEG) or not self._podman("image", "exists", _image(suite)):
            return
        recipe = f"FROM {_image(suite.removesuffix(FFMPEG))}\n"
        recipe += "RUN export DEBIAN_FRONTEND=noninteractive; "
        recipe += "apt-get -q -o Acquire::Check-Valid-Until=false update && apt-get -q install --yes "
        recipe += f"--no-install-recommends ffmpeg libpython{python}\n"
        command = [
            "podman",
            "build",
            "--quiet",
            "--network",
            "host",
            "--tag",
            _image(suite),
            "--file",
            "-",
            ".",
        ]
        done = subprocess.run(
            command, env=self._environment(), input=recipe, text=True, capture_output=True, check=False
        )
        if done.returncode:
            raise _trouble(suite, "FFmpeg could not be added: " + " ".join(done.stderr.split())[-400:])

    def run(self, suite: str, libc: str, combinations: Sequence[Combination]) -> Iterator[tuple[str, Answer]]:
        """Yield the answer of each combination by key as it comes. Raises Problem "truth.container".

        ``libc`` is the version that the container must have, such as "2.41": a suite moves on.
        """
        trees = self.installer.trees
        jobs = [self._job(combination) for combination in combinations]
        store = str(self.interpreters) if self.interpreters else ""
        order = trees / f"{suite}.jobs.json"
        order.write_text(json.dumps({"interpreters": store, "timeout": _MOST, "jobs": jobs}))
        script = Path(str(inside.__file__)).resolve()
        name = f"whisperx-truth-{os.getpid()}-{suite.replace('+', '-')}"
        command = ["podman", "run", "--rm", "--network", "none", "--name", name]
        command += ["--label", "whisperx-lab=truth"]
        for source in (*((self.interpreters,) if self.interpreters else ()), trees, script.parent):
            command += ["--volume", f"{source}:{source}:ro"]
        command += [_image(suite), "python3", str(script), str(order)]
        process = subprocess.Popen(command, env=self._environment(), stdout=subprocess.PIPE, text=True)
        try:
            for line in process.stdout or ():
                said = json.loads(line)
                if "libc" in said:
                    _check_libc(suite, libc, said["libc"])
                else:
                    yield said["key"], self._answer(said)
        except BaseException:
            self._podman("rm", "--force", "--time", "0", name)
            raise
        if process.wait() != 0:
            raise _trouble(suite, f"exit status {process.returncode}")

    def _job(self, combination: Combination) -> dict[str, str]:
        """Write the probe of a combination beside its tree."""
        folder = self.installer.trees / f"{combination.key}.probe"
        wanted = [
            Module(name, self.imports[name]) for name, _ in combination.packages if self.imports.get(name)
        ]
        write_probe(str(folder), Request(combination.level, "cpu", tuple(wanted)))
        tree = str(self.installer.tree(combination))
        return {"key": combination.key, "python": combination.python, "tree": tree, "probe": str(folder)}

    def _answer(self, said: Mapping[str, Any]) -> Answer:
        """Return what a line of the container says, without the places that only this run had."""
        report = said["report"]
        if said.get("absent"):
            return Answer(None, said["said"])
        if report is None:
            text = "the probe died: " + " ".join(said["said"].split())[-400:]
        else:
            text = "" if report["ok"] else " ".join(report["findings"][0].split())
        text = _COLOUR.sub("", text).replace(f"{self.installer.tree_of(said['key'])}/", "")
        return Answer(bool(report and report["ok"]), text)

    def _podman(self, *arguments: str) -> int:
        try:
            return subprocess.run(["podman", *arguments], env=self._environment(), check=False).returncode
        except FileNotFoundError:
            raise Problem(
                "truth.podman", "podman is missing", "PATH", "podman and runc", "apt-get install podman runc"
            ) from None

    def _environment(self) -> dict[str, str]:
        return {"CONTAINERS_CONF": str(_CONFIG), **os.environ}


def _image(suite: str) -> str:
    return f"{IMAGE}:{suite.replace('+', '-')}"


def _check_libc(suite: str, wanted: str, found: str) -> None:
    if found.split()[-1] != wanted:
        raise _trouble(suite, f"{found}, where the catalogue has glibc {wanted}")


def _trouble(suite: str, found: str) -> Problem:
    return Problem(
        "truth.container", found, _image(suite), "a container that works", "Run tools/lab/build_images"
    )
