"""Speech for tests, made by espeak-ng (a Debian package): the words are known, because we chose them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

__all__ = ["ELEVEN_SECONDS", "speak", "word_errors"]

# About 11 seconds at the default speed; simple words, which Whisper base and tiny.en both hear right.
ELEVEN_SECONDS = (
    "Good morning, and welcome to the meeting. "
    "Today we are going to talk about the weather in the mountains. "
    "Please open your books and read the first page. Thank you very much for your time."
)


def speak(path: Path, text: str = ELEVEN_SECONDS, voice: str = "en-us", speed: int = 170) -> Path:
    """Write ``text`` spoken to ``path`` (WAV, 22,050 Hz, mono) and return it; a skip without espeak-ng."""
    if not shutil.which("espeak-ng"):
        pytest.skip("espeak-ng is missing: tools/lab/packages installs it")
    subprocess.run(
        ["espeak-ng", "-v", voice, "-s", str(speed), "-w", str(path), text], check=True, capture_output=True
    )
    return path


def word_errors(wanted: str, heard: str) -> tuple[int, int]:
    """Return how many words have to change to make ``heard`` of ``wanted``, and how many words that has."""
    left, right = _words(wanted), _words(heard)
    row = list(range(len(right) + 1))
    for number, word in enumerate(left, 1):
        before, row[0] = row[0], number
        for place, other in enumerate(right, 1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (word != other))
    return row[-1], len(left)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())
