"""Shared by the probe's tests: a host to build, and NVIDIA's library as a compiled stand-in."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from module_utils.whisperx_host.nvml import Answer, query
from tests.unit.whisperx_host.host_trees import HostTree, debian

STAND_IN = Path(__file__).resolve().parents[2] / "stand_ins" / "nvml.c"


@pytest.fixture
def host(tmp_path: Path) -> HostTree:
    """A Debian 13 without GPU, to be changed."""
    return debian(tmp_path / "root")


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of the stand-in for libnvidia-ml.so.1."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to build the stand-in for NVIDIA's library")
    library = tmp_path_factory.mktemp("nvml") / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(STAND_IN)], check=True)
    return str(library)


@pytest.fixture
def nvml(nvml_library: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """Ask the stand-in in a real child: nvml(timeout=10, INIT=9, DEVICES="...") -> Answer."""
    for name in ("INIT", "COUNT", "HANG", "CRASH", "DRIVER", "CUDA", "DEVICES"):
        monkeypatch.delenv(f"STAND_IN_{name}", raising=False)

    def ask(timeout: float = 20.0, **told: object) -> Answer:
        for name, value in told.items():
            monkeypatch.setenv(f"STAND_IN_{name}", str(value))
        return query([nvml_library], timeout)

    return ask
