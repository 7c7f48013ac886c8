"""Environments with each ansible-core that is supported, on the Pythons that this machine has for it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.attack.strength import FULL

__all__ = ["CORES", "core_id", "make_environment"]

# Python and ansible-core. The oldest and the newest; the other tests run with the locked one.
# `make attack` tries those between.
_USUAL = (("3.12", "2.16"), ("3.13", "2.21"))
_BETWEEN = (("3.12", "2.17"), ("3.12", "2.18"), ("3.12", "2.19"), ("3.13", "2.20"))
CORES = (*_USUAL, *_BETWEEN) if FULL else _USUAL


def core_id(pair: tuple[str, str]) -> str:
    """Return what a test of an entry of CORES is called."""
    return f"core{pair[1]}-python{pair[0]}"


def make_environment(uv: str, venv: Path, pair: tuple[str, str], *others: str) -> Path:
    """Install the ansible-core of ``pair``, and ``others``, into ``venv``; return its folder of programs.

    Skips the test where the machine has no such Python.
    """
    python, core = pair
    subprocess.run([uv, "venv", "--quiet", "--python", _interpreter(python), venv], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", venv / "bin/python"]
    subprocess.run([*install, f"ansible-core~={core}.0", *others], check=True)
    return venv / "bin"


def _interpreter(version: str) -> Path:
    """Return a Python of this machine, of its own packages or of pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = [Path(f"/usr/bin/python{version}"), *pyenv.glob(f"versions/{version}.*/bin/python3")]
    for path in found:
        if path.exists():
            return path
    pytest.skip(f"no Python {version} on this machine")
