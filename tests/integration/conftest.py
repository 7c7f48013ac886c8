"""Integration tests run the real thing: uv, the package index, root. What is missing is a skip.

They run in two processes, each file whole in one of them, and beside molecule's scenarios: names of
containers, images and ports are a test's own, and it looks only for its own traces.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The files that take longest, which begin: what is long and last is waited for.
LONGEST = (
    "test_boot",
    "test_execution_environment",
    "test_wheelhouse_bundle",
    "test_secrets",
    "test_env_ansible",
    "test_wheelhouse_fleet",
    "test_guard_apt",
    "test_env_kill",
    "test_site_ends",
    "test_packer",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the files, and leave the tests of a file in their order."""
    order = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


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
