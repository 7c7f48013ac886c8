"""Small virtual environments for tests: this Python, and packages of one file each with their metadata."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

__all__ = ["make_release", "make_venv", "site_of"]

SERIES = f"python{sys.version_info.major}.{sys.version_info.minor}"
PYTHON = os.path.realpath(sys.executable)


def make_venv(place: Path, packages: Mapping[str, str], version: str = "1.0") -> Path:
    """Make a venv with ``packages`` (module -> source), each a distribution of ``version``; return it."""
    (place / "bin").mkdir(parents=True)
    (place / "bin/python").symlink_to(PYTHON)
    home = os.path.dirname(PYTHON)
    (place / "pyvenv.cfg").write_text(f"home = {home}\ninclude-system-site-packages = false\n")
    site = site_of(place)
    site.mkdir(parents=True)
    for name, source in packages.items():
        text = textwrap.dedent(source)
        (site / name).mkdir()
        (site / name / "__init__.py").write_text(text)
        info = site / f"{name}-{version}.dist-info"
        info.mkdir()
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "RECORD").write_text(f"{name}/__init__.py,sha256={digest},{len(text)}\n")
    return place


def site_of(venv: Path) -> Path:
    """Return the site-packages of a venv."""
    return venv / "lib" / SERIES / "site-packages"


def make_release(root: Path, packages: Mapping[str, str]) -> Path:
    """Lay a release out below ``root`` as whisperx_env does, in use; return it."""
    release = make_venv(root / "releases/small-1", packages)
    (release / "launch").mkdir()
    launcher = release / "launch/python"
    launcher.write_text(f'#!/bin/sh\nLAB=1 exec "{release}/bin/python" "$@"\n')
    launcher.chmod(0o755)
    imports = [{"package": name, "module": name, "optional": False} for name in packages]
    plan = {"device": "cpu", "python": SERIES[6:], "imports": imports, "environment": {"LAB": "1"}}
    (release / "release.json").write_text(json.dumps({"id": "small-1", "plan": plan}))
    (root / ".whisperx-fleet").write_text("{}")
    (root / "current").symlink_to("releases/small-1")
    return release
