"""Hosts made of real directories: releases as a run leaves them, without the installing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from module_utils.whisperx_common import lockfile
from module_utils.whisperx_common.files import link, write_json, write_text
from module_utils.whisperx_env import integrity, launch
from module_utils.whisperx_env.model import Options, Wanted, want
from module_utils.whisperx_release import outside, state
from module_utils.whisperx_release.model import Layout

__all__ = ["OPTIONS", "Host", "lock_text", "plan", "wanted"]

OPTIONS = Options(verify_level="import")


def plan(**changes: Any) -> dict[str, Any]:
    """Return a plan for a host without a GPU."""
    values: dict[str, Any] = {
        "verdict": "plan",
        "class": "venv-cpu",
        "request": {"whisperx": ""},
        "python": "3.11",
        "python_path": "/usr/bin/python3.11",
        "device": "cpu",
        "environment": {},
        "loader_paths": [],
        "scripts": ["whisperx"],
        "imports": [],
    }
    return values | changes


def lock_text(versions: dict[str, str], size: int | None = 1000, origin: str = "index", **header: str) -> str:
    """Return a lock; the digests are made up from names and versions."""
    values = {"whisperx-fleet-lock": "1", "class": "venv-cpu", "request": '{"whisperx":""}', "platform": "x"}
    values |= {"python": "3.11", "device": "cpu", "uv": "0.13.9"} | header
    packages = tuple(
        lockfile.LockedPackage(
            name, version, lockfile.digest(name + version), f"{name}-{version}-py3-none-any.whl", size, origin
        )
        for name, version in versions.items()
    )
    return lockfile.render(lockfile.Lock(values, packages))


def wanted(version: str = "1.0", **changes: Any) -> Wanted:
    """Return an environment of two packages."""
    return want(plan(**changes), lock_text({"whisperx": version, "numpy": "2.0"}))


class Host:
    """A host below ``base``."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.layout = Layout(str(base / "root"), str(base / "bin"), str(base / "facts.d"))

    @property
    def root(self) -> Path:
        """The root as a Path."""
        return Path(self.layout.root)

    def release(
        self, what: Wanted, created: str = "2026-01-01T00:00:00Z", name: str = "", **record: Any
    ) -> Path:
        """Make a complete release of what is wanted, as a finished run leaves it."""
        write_json(self.mark(), {"schema": 1})
        path = self.root / "releases" / (name or what.name)
        site = path / "lib" / f"python{what.plan['python']}" / "site-packages"
        for package, version in what.lock.versions.items():
            (site / package / "__pycache__").mkdir(parents=True)
            (site / package / "__init__.py").write_text("")
            (site / package / "core.so").write_text("library")
            (site / f"{package}-{version}.dist-info").mkdir()
            rows = f"{package}/__init__.py,sha256=x,0\n{package}/core.so,sha256=x,7\n"
            (site / f"{package}-{version}.dist-info" / "RECORD").write_text(rows)
        (path / "bin").mkdir()
        (path / "bin" / "python").symlink_to(sys.executable)
        for script in what.scripts:
            write_text(str(path / "bin" / script), "#!/bin/sh\nenv\n", 0o755)
        write_text(str(path / "requirements.txt"), what.text)
        launch.write(what, str(path), str(site))
        write_json(str(path / integrity.MANIFEST), integrity.manifest(str(path), str(site)))
        values = {
            "schema": 1,
            "id": path.name,
            "wanted": what.digest,
            "created": created,
            "requested": sorted(what.plan["request"]),
            "python": what.plan["python"],
            "device": what.device,
            "versions": what.lock.versions,
            "scripts": list(what.scripts),
            "verify": {"level": "import"},
            "needs": {},
        }
        write_json(str(path / "release.json"), values | record)
        return path

    def mark(self) -> str:
        """Make the root ours; return the marker's path."""
        self.root.mkdir(parents=True, exist_ok=True)
        return self.layout.marker

    def use(self, what: Wanted, name: str = "") -> None:
        """Make a release the one in use, links and fact file included."""
        link(self.layout.current, f"releases/{name or what.name}")
        for script in what.scripts:
            outside.write_command(self.layout, script)
        outside.write_fact(self.layout, state.record_at(self.layout.current))

    def before(self, name: str) -> None:
        """Make a release the one before."""
        link(self.layout.previous, f"releases/{name}")
