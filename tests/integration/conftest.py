"""Integration tests run the real thing: uv, the package index, root. What is missing is a skip."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def uv() -> str:
    """The uv of the test environment, else the first on the PATH."""
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        pytest.skip("uv is not in this environment: make test makes it")
    return found


@pytest.fixture
def as_root() -> None:
    """For tests that mount, change owners or become somebody else."""
    if os.getuid() != 0:
        pytest.skip(f"takes root, and this is uid {os.getuid()}")
