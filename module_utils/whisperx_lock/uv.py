"""The one place that spells uv's command line.

uv runs in an empty directory, with the controller's own Python as the interpreter for builds, so that it
neither looks for interpreters nor downloads one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ..whisperx_problem import Problem
from .complaint import complaint, trimmed
from .sources import Index, Sources

__all__ = ["CUDA_PARTS", "TORCH_FAMILY", "Question", "Uv", "find_uv"]

# Settings of the user's environment that would change the answer behind our arguments.
_NOT_PASSED_ON = (
    "UV_TORCH_BACKEND",
    "UV_PYTHON",
    "UV_SYSTEM_PYTHON",
    "UV_NO_BUILD",
    "UV_NO_BINARY",
    "UV_OUTPUT_FILE",
    "UV_PROJECT",
    "UV_WORKING_DIRECTORY",
    "VIRTUAL_ENV",
)
_TIMEOUT = 900  # seconds for one call of uv
_EPOCH = "315532800"  # 1980-01-01, the oldest date that a zip file can tell
# Packages whose builds differ between the PyTorch indexes and have to be taken from the same one.
TORCH_FAMILY = ("torch", "torchaudio", "torchvision")
# What the CUDA builds of torch bring along.
CUDA_PARTS = ("nvidia-", "cuda-", "triton")


@dataclass(frozen=True)
class Question:
    """What uv is asked to resolve, for which Python ("3.13") and platform (its --python-platform).

    ``backend`` is uv's --torch-backend; with ``torch`` set, that index is used for the torch packages
    instead. ``left_out`` are packages that are not taken, whoever wants them. ``find_links`` are directories
    besides the user's. ``dependencies`` False asks for just these packages; ``sdist`` names the one of which
    the source distribution is wanted. An empty platform is this machine's.
    """

    requirements: tuple[str, ...]
    python: str
    platform: str
    constraints: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    backend: str = ""
    torch: Index | None = None
    find_links: tuple[Path, ...] = ()
    dependencies: bool = True
    sdist: str = ""


@dataclass
class Uv:
    """uv on the controller. ``path`` is the executable."""

    path: Path
    sources: Sources = field(default_factory=Sources)

    @cached_property
    def version(self) -> str:
        """The version, as "0.13.9"."""
        done = self._run(["--version"], Path("/"), {})
        match = re.fullmatch(r"uv (\S+).*", done.stdout.strip())
        if done.returncode or match is None:
            raise _unusable(self.path, self.sources.scrub(done.stderr or done.stdout))
        return match.group(1)

    def compile(self, question: Question, patience: Mapping[str, str] | None = None) -> str:
        """Resolve, and return uv's pylock.toml. ``patience`` are uv's settings for retries and time limits.

        Raises Problem as `complaint` tells.
        """
        with tempfile.TemporaryDirectory(prefix="whisperx-lock-") as name:
            folder = Path(name)
            arguments = ["pip", "compile", _input(question, folder), "--format", "pylock.toml", "--no-header"]
            arguments += ["--python-version", question.python, "--quiet"]
            arguments += ["--python-platform", question.platform] if question.platform else []
            arguments += ["--no-binary", question.sdist] if question.sdist else ["--no-build"]
            if question.constraints:
                (folder / "constraints.txt").write_text("".join(f"{line}\n" for line in question.constraints))
                arguments += ["--constraints", "constraints.txt"]
            if question.left_out:
                lines = "".join(f"{name}; sys_platform == 'never'\n" for name in question.left_out)
                (folder / "overrides.txt").write_text(lines)
                arguments += ["--overrides", "overrides.txt"]
            if not question.dependencies:
                arguments.append("--no-deps")
            if question.backend and not question.torch:
                arguments += ["--torch-backend", question.backend]
            for path in question.find_links:
                arguments += ["--find-links", str(path)]
            done = self._run([*arguments, *self.sources.arguments(), *_own_python()], folder, patience or {})
        if done.returncode:
            raise complaint(done.stderr, self.sources, _index_of_backend(question))
        return done.stdout

    def build(self, sdist: Path, build_requires: Sequence[str], out: Path) -> Path:
        """Build a wheel of ``sdist`` into the empty directory ``out``, and return its path.

        ``build_requires`` are requirement lines, each pinned and with its hash; nothing else gets into it.
        """
        with tempfile.TemporaryDirectory(prefix="whisperx-build-") as name:
            folder = Path(name)
            (folder / "build.txt").write_text("".join(f"{line}\n" for line in build_requires))
            arguments = [
                "build",
                "--wheel",
                "--require-hashes",
                "--build-constraints",
                "build.txt",
                "--quiet",
            ]
            arguments += ["--out-dir", str(out), *self.sources.arguments(), *_own_python(), str(sdist)]
            done = self._run(arguments, folder, {"SOURCE_DATE_EPOCH": _EPOCH})
        made = sorted(out.glob("*.whl"))
        if done.returncode or len(made) != 1:
            raise Problem(
                "lock.build",
                f"{sdist.name} cannot be built: {trimmed(self.sources.scrub(done.stderr))}",
                "uv build",
                "one wheel",
                "Put a wheel of it into a find_links directory.",
            )
        return made[0]

    def fetch_self(self, platform: str, folder: Path) -> Path:
        """Install this very version of uv for another platform into ``folder``; return the executable."""
        arguments = ["pip", "install", "--target", str(folder), "--no-deps", "--no-build", "--quiet"]
        arguments += ["--python-platform", platform, f"uv=={self.version}", *self.sources.arguments()]
        with tempfile.TemporaryDirectory(prefix="whisperx-uv-") as name:
            done = self._run([*arguments, *_own_python()], Path(name), {})
        if done.returncode:
            raise complaint(done.stderr, self.sources)
        return folder / "bin" / "uv"

    def _run(
        self, arguments: Sequence[str], folder: Path, more: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        environment = {key: value for key, value in os.environ.items() if key not in _NOT_PASSED_ON}
        # What the user has set wins over our shorter waiting.
        environment = {**more, **environment, "NO_COLOR": "1", "UV_NO_PROGRESS": "1", "LC_ALL": "C.UTF-8"}
        if "SOURCE_DATE_EPOCH" in more:
            environment["SOURCE_DATE_EPOCH"] = more["SOURCE_DATE_EPOCH"]
        environment.update(self.sources.environment())
        try:
            return subprocess.run(  # no AnsibleModule here  # pylint: disable=ansible-bad-function
                [str(self.path), *arguments],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_TIMEOUT,
                umask=0o022,
                stdin=subprocess.DEVNULL,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise _unusable(self.path, f"no result within {_TIMEOUT} seconds") from None
        except OSError as error:
            raise _unusable(self.path, error.strerror or type(error).__name__) from None


def find_uv(option: str = "") -> Path:
    """Return the uv to use: the option, else beside this Python, else on the PATH. Raises "lock.uv"."""
    beside = Path(sys.executable).with_name("uv")
    if option:
        found = Path(option).expanduser()
    elif os.access(beside, os.X_OK):
        found = beside
    else:
        found = Path(shutil.which("uv") or "uv")
    if not (found.is_file() and os.access(found, os.X_OK)):
        raise Problem(
            "lock.uv",
            f"no uv: {option} cannot be run" if option else "uv is not installed on the controller",
            "option uv" if option else "beside Ansible's Python and on the PATH",
            "uv, which resolves and installs packages",
            f"Run '{sys.executable} -m pip install uv', or set whisperx_plan_uv to its path.",
        )
    return found.resolve()


def _unusable(path: Path, why: str) -> Problem:
    return Problem(
        "lock.uv",
        f"uv cannot be used: {trimmed(why)}",
        str(path),
        "uv 0.8 or newer",
        "Install uv on the controller.",
    )


def _own_python() -> list[str]:
    return ["--python", sys.executable, "--no-python-downloads"]


def _index_of_backend(question: Question) -> str:
    if question.torch:
        return question.torch.url
    return f"/{question.backend}/" if question.backend else ""


def _input(question: Question, folder: Path) -> str:
    """Write the requirements, and return the file's name.

    For a PyTorch index of the user's that is a pyproject.toml: only there can packages be bound to an index.
    """
    if question.torch is None:
        (folder / "requirements.in").write_text("".join(f"{line}\n" for line in question.requirements))
        return "requirements.in"
    lines = ["[project]", 'name = "whisperx-fleet-lock"', 'version = "0"']
    lines += [f"requires-python = {json.dumps('>=' + question.python)}"]
    lines += ["dependencies = " + json.dumps(list(question.requirements))]
    lines += ["[[tool.uv.index]]", f"name = {json.dumps(question.torch.name)}"]
    lines += [f"url = {json.dumps(question.torch.url)}", "explicit = true", "[tool.uv.sources]"]
    named = sorted({re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in question.requirements})
    lines += [
        f"{name} = {{ index = {json.dumps(question.torch.name)} }}" for name in named if name in TORCH_FAMILY
    ]
    (folder / "pyproject.toml").write_text("\n".join(lines) + "\n")
    return "pyproject.toml"
