"""The contract tests read the project's own files; modules are imported as Ansible lays them out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import ansible.module_utils
import ansible.modules
import pytest

ROOT = Path(__file__).resolve().parents[2]
ansible.modules.__path__.append(str(ROOT / "library"))
ansible.module_utils.__path__.append(str(ROOT / "module_utils"))


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def tracked() -> list[Path]:
    """The files of the project as git would commit them: tracked, and new ones that are not ignored."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]
