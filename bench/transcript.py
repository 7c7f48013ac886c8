"""Measure the first transcript with a placed model against plain faster-whisper in a venv made by hand.

    python bench/transcript.py [--repeat 5]

Both environments have the same packages; ours has the look-up of placed models, and Whisper base placed. The
other one has base in the user's own cache and HF_HUB_OFFLINE, so that no network is waited for. A program
starts, loads base by its name and transcribes a recording of 11 s; the two take turns. Takes uv, espeak-ng
and the package index.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from module_utils.whisperx_placed import sources  # noqa: E402
from tests.models import weights  # noqa: E402
from tests.models.spoken import speak  # noqa: E402
from tests.models.store import Store  # noqa: E402

PACKAGES = ("faster-whisper", "av<19")
PROGRAM = """
import sys
from faster_whisper import WhisperModel
model = WhisperModel("base", device="cpu", compute_type="int8", cpu_threads=2)
print(*(part.text for part in model.transcribe(sys.argv[1], language="en")[0]))
"""
BOUND = 1.05


def environment(base: Path) -> Path:
    """Make a venv with the packages; return its site-packages."""
    system = shutil.which("python3", path="/usr/bin") or sys.executable
    uv = str(Path(sys.executable).parent / "uv")
    subprocess.run([uv, "venv", "--quiet", "--python", system, str(base)], check=True)
    python = str(base / "bin/python")
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *PACKAGES], check=True)
    return next((base / "lib").glob("python*")) / "site-packages"


def timed(base: Path, sound: Path, settings: dict[str, str]) -> tuple[float, float]:
    """Return the seconds from the start of the program to its words, and those of processor time."""
    command = [str(base / "bin/python"), "-c", PROGRAM, str(sound)]
    start, before = time.monotonic(), _processor()
    done = subprocess.run(command, env=settings, cwd=base, check=True, capture_output=True, text=True)
    assert "welcome to the meeting" in done.stdout.lower(), done.stdout
    return time.monotonic() - start, _processor() - before


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    """Measure, print the medians and what is behind them; 1 where the bound is missed."""
    parser = argparse.ArgumentParser(description="Measure the first transcript with a placed model.")
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    with tempfile.TemporaryDirectory(prefix="whisperx-bench-") as folder:
        base = Path(folder)
        sources.write(str(environment(base / "ours")))
        environment(base / "plain")
        placed, cache = Store(base / "placed"), Store(base / "cache")
        for store in (placed, cache):
            store.whisper("base", weights.base())
            store.finish()
        sound = speak(base / "speech.wav")
        common = {"PATH": os.environ["PATH"], "HOME": folder}
        ours = common | {"WHISPERX_MODELS_DIR": str(placed.root)}
        plain = common | {"HF_HUB_CACHE": str(cache.directory / "hub"), "HF_HUB_OFFLINE": "1"}
        pairs = []
        for _ in range(repeat + 1):
            pairs.append((timed(base / "ours", sound, ours), timed(base / "plain", sound, plain)))
    # The first pair fills the page cache.
    ratios = []
    for number, what in enumerate(("seconds", "seconds of processor time")):
        sides = list(zip(*((ours[number], plain[number]) for ours, plain in pairs[1:]), strict=True))
        ratios.append(statistics.median(sides[0]) / statistics.median(sides[1]))
        behind = " ".join(f"{first:.2f}:{second:.2f}" for first, second in zip(*sides, strict=True))
        print(f"first transcript, placed : plain, {what}: {ratios[-1]:.2f} ({behind})", file=sys.stderr)
    return 0 if ratios[0] <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
