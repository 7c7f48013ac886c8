"""A place to try the managed environment for real: tiny wheels, their lock, a plan, a root, the real uv.

Everything runs in the calling process but for uv and the environment's own Python.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from module_utils.whisperx_common import lockfile
from module_utils.whisperx_common.files import sha256
from module_utils.whisperx_env import apply
from module_utils.whisperx_env.model import Carried, Options, Sources, Wanted, want
from module_utils.whisperx_problem import Problem
from module_utils.whisperx_release.hooks import Hooks
from module_utils.whisperx_release.model import Layout, Outcome

__all__ = ["UV", "Lab", "make_wheel"]

UV = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])) or ""
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHON_PATH = str(Path(sys.executable).resolve())


def make_wheel(directory: Path, name: str, version: str, files: dict[str, Any]) -> Path:
    """Write a wheel with a console script of its own name; the same arguments give the same bytes."""
    directory.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    code = f"version = '{version}'\n\n\ndef main():\n    print('{name}', version)\n"
    contents: dict[str, Any] = {f"{name}/__init__.py": code}
    contents |= {f"{name}/{path}": text for path, text in files.items()}  # bytes as well
    contents |= {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: lab\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
    }
    record = "".join(f"{path},sha256={_digest(text)},{len(text)}\n" for path, text in contents.items())
    contents[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    wheel = directory / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in contents.items():
            archive.writestr(zipfile.ZipInfo(path), text, zipfile.ZIP_DEFLATED)
    return wheel


def _digest(text: str | bytes) -> str:
    data = text.encode() if isinstance(text, str) else text
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


@dataclass
class Lab:
    """One root below ``base``, with a directory of wheels that serves as the only source of packages."""

    base: Path
    options: Options = field(default_factory=Options)
    events: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.layout = Layout(str(self.base / "root"), str(self.base / "bin"), str(self.base / "facts.d"))
        self.wheels = self.base / "wheels"
        self.wheels.mkdir(parents=True, exist_ok=True)
        sources = Sources(find_links=(str(self.wheels),), offline=True)
        carried = (Carried(sha256(UV), "uv", UV),)
        self.options = replace(self.options, sources=sources, carried=carried, verify_level="import")

    @property
    def root(self) -> Path:
        """The root as a Path."""
        return Path(self.layout.root)

    def wheel(self, name: str, version: str, **files: Any) -> Path:
        """Make a wheel that the lab's source has."""
        return make_wheel(self.wheels, name, version, files)

    def lock(self, *wheels: Path, origin: str = "index", **header: str) -> str:
        """Return the lock of some wheels."""
        packages = []
        for wheel in wheels:
            name, version = wheel.name.split("-")[:2]
            size, digest = wheel.stat().st_size, sha256(str(wheel))
            packages.append(lockfile.LockedPackage(name, version, digest, wheel.name, size, origin))
        values = {"whisperx-fleet-lock": "1", "class": "lab", "request": '{"tiny":""}', "platform": "linux"}
        values |= {"python": PYTHON, "device": "cpu", "uv": "0"} | header
        return lockfile.render(lockfile.Lock(values, tuple(packages)))

    def wanted(self, lock: str, **plan: Any) -> Wanted:
        """Return what a plan and a lock ask for."""
        values = {
            "verdict": "plan",
            "class": "lab",
            "request": {"tiny": ""},
            "python": PYTHON,
            "python_path": PYTHON_PATH,
            "device": "cpu",
            "environment": {"LAB": "yes"},
            "imports": [{"package": "tiny", "module": "tiny", "optional": False}],
            "scripts": ["tiny"],
        }
        return want(values | plan, lock)

    def tiny(self, version: str) -> Wanted:
        """Return an environment of one package of a few kilobytes."""
        return self.wanted(self.lock(self.wheel("tiny", version)))

    def present(self, wanted: Wanted, check: bool = False, **options: Any) -> Outcome:
        """Apply."""
        return apply.present(self.layout, wanted, replace(self.options, **options), self.hooks(), check)

    def rolled_back(self, release: str = "", check: bool = False) -> Outcome:
        """Roll back."""
        return apply.rolled_back(self.layout, release, self.options, self.hooks(), check)

    def absent(self, check: bool = False) -> Outcome:
        """Remove."""
        return apply.absent(self.layout, self.options, self.hooks(), check)

    def hooks(self) -> Hooks:
        """Return hooks that note every event and prove a release by importing its package."""
        return Hooks(prove, emit=self.events.append)

    def says(self) -> str:
        """Return what the command that users call prints, "" when there is none."""
        command = Path(self.layout.command("tiny"))
        if not command.exists():
            return ""
        return subprocess.run([command], capture_output=True, text=True, check=True).stdout.strip()

    def current(self) -> str:
        """Return the name of the release in use, "" for none."""
        link = Path(self.layout.current)
        return link.readlink().name if link.is_symlink() else ""

    def releases(self) -> list[str]:
        """Return the names below releases/."""
        directory = self.root / "releases"
        return sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []


def prove(path: str, wanted: Wanted, options: Options) -> dict[str, Any]:
    """Prove a release with one import, in a fraction of what the real verification takes."""
    code = "import tiny; print(tiny.version)"
    done = subprocess.run([f"{path}/launch/python", "-c", code], capture_output=True, text=True, check=False)
    if done.returncode or done.stdout.strip() != wanted.lock.versions["tiny"]:
        raise Problem("env.verify", done.stderr, path, "an import", "None.")
    return {"ok": True, "level": options.verify_level, "device": wanted.device, "seconds": 0.1}


def main() -> None:
    """Run one deed in a process of its own: BASE DEED VERSION [EVENT]; EVENT is when it kills itself."""
    base, deed, version, *rest = sys.argv[1:]
    lab = Lab(Path(base))
    last = int(rest[0]) if rest else 0

    def emit(event: str) -> None:
        lab.events.append(event)
        if len(lab.events) == last:
            os.kill(os.getpid(), signal.SIGKILL)

    hooks = Hooks(prove, emit=emit)
    if deed == "present":
        apply.present(lab.layout, lab.tiny(version), lab.options, hooks, False)
    elif deed == "rolled_back":
        apply.rolled_back(lab.layout, "", lab.options, hooks, False)
    else:
        apply.absent(lab.layout, lab.options, hooks, False)
    print(len(lab.events))


if __name__ == "__main__":
    main()
