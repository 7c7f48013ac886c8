"""The real weights hear real speech: what every other test with them stands on. 150 MB at first use."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.models import weights
from tests.models.spoken import ELEVEN_SECONDS, speak, word_errors
from tests.models.weights import BASE, TINY_EN, Weights

TRANSCRIBE = """
import sys
from faster_whisper import WhisperModel
model = WhisperModel(sys.argv[1], device="cpu", compute_type="int8")
segments, _ = model.transcribe(sys.argv[2], language="en")
print(" ".join(segment.text for segment in segments))
"""


@pytest.fixture(scope="module")
def python(uv: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("venv")
    system = shutil.which("python3", path="/usr/bin") or sys.executable
    subprocess.run([uv, "venv", "--quiet", "--python", system, str(folder)], check=True)
    path = str(folder / "bin/python")
    # faster-whisper 1.2.1 reads files with an argument that PyAV 19 no longer has.
    subprocess.run([uv, "pip", "install", "--quiet", "--python", path, "faster-whisper", "av<19"], check=True)
    return path


@pytest.mark.parametrize("model", [BASE, TINY_EN], ids=lambda model: model.name)
def test_real_words(model: Weights, python: str, tmp_path: Path) -> None:
    folder = weights.fetch(model)
    with (folder / "model.bin").open("rb") as stream:
        assert hashlib.file_digest(stream, "sha256").hexdigest() == model.digests["model.bin"]
    sound = speak(tmp_path / "speech.wav")
    done = subprocess.run(
        [python, "-c", TRANSCRIBE, str(folder), str(sound)], capture_output=True, text=True, check=True
    )
    errors, words = word_errors(ELEVEN_SECONDS, done.stdout)
    assert words > 30 and errors <= 2, done.stdout
