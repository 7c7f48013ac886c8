"""The doctor on sets with torch, which take 5 GB: only with WHISPERX_FLEET_TORCH (`make doctor-proof`)."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from doctor_lab import Lab, listing
from test_doctor import evidence, ids, images

pytestmark = pytest.mark.skipif(
    "WHISPERX_FLEET_TORCH" not in os.environ,
    reason="WHISPERX_FLEET_TORCH is not set: make doctor-proof sets it",
)
__all__ = ["images"]

SUITE, PYTHON, PLATFORM = "bookworm", "3.11", "x86_64-manylinux_2_28"


@pytest.fixture(scope="module")
def lab(uv: str) -> Iterator[Lab]:
    place = Path(tempfile.mkdtemp(prefix="whisperx-doctor-test-"))
    yield Lab(place, uv)
    shutil.rmtree(place)


@pytest.fixture(scope="module")
def python(images: None, lab: Lab) -> Path:
    return lab.interpreter(SUITE, PYTHON)


def told(lab: Lab, python: Path, name: str, *packages: str) -> tuple[int, dict[str, Any]]:
    """Ask about torch with other packages, on a Debian 12 without FFmpeg."""
    venv = lab.elsewhere(name, PYTHON, PLATFORM, *packages, dependencies=True)
    before = listing(venv)
    answer = lab.ask_in(SUITE, python, venv)
    assert listing(venv) == before
    shutil.rmtree(venv)
    return answer


def test_torchaudio_of_another_torch(lab: Lab, python: Path) -> None:
    venv = lab.elsewhere("skew", PYTHON, PLATFORM, "torch==2.8.0", "numpy", dependencies=True)
    lab.elsewhere("skew", PYTHON, PLATFORM, "torchaudio==2.5.1")
    code, answer = lab.ask_in(SUITE, python, venv)
    shutil.rmtree(venv)
    assert code == 1
    assert ids(answer) == ["failure.torch-skew"]
    assert "undefined symbol" in evidence(answer)


def test_torchcodec_without_ffmpeg_is_a_note(lab: Lab, python: Path) -> None:
    code, answer = told(lab, python, "codec", "torch==2.8.0", "torchcodec==0.7.0", "numpy")
    assert code == 0
    assert "failure.torchcodec-ffmpeg" in ids(answer, "notes")
