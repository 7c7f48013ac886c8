"""Placed models are found by the oldest and the newest faster-whisper that are planned.

Real weights, real speech, an ordinary user, no network; and a stand-in hub, to see what is asked of one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from module_utils.whisperx_placed import sources
from tests.models import weights
from tests.models.hub import Hub
from tests.models.spoken import speak, word_errors
from tests.models.store import Store

# The oldest with a huggingface_hub of its time, and the newest of both.
SETS = (
    ("faster-whisper==1.0.0", "huggingface_hub==0.20.3", "ctranslate2<4.5", "setuptools<81"),
    ("faster-whisper", "huggingface_hub"),
)
# Of the PyAV that 1.0.0 pins there are no wheels, and 19 is too new for 1.2.1.
AV = "av>=12,<19\n"
WORDS = "Please open your books and read the first page."
TRANSCRIBE = """
import json, sys
from faster_whisper import WhisperModel
model = WhisperModel(sys.argv[1], device="cpu", compute_type="int8")
print(json.dumps(" ".join(part.text for part in model.transcribe(sys.argv[2], language="en")[0])))
"""
NOBODY = 65534


@dataclass
class Place:
    """An environment with the look-up in it, a store, a sound, and a user's home."""

    base: Path
    store: Store

    def run(self, code: str, *arguments: str, network: bool = False, **variables: str) -> Any:
        """Run a program as an ordinary user; return its last line as JSON, or its error text."""
        command = [str(self.base / "venv/bin/python"), "-c", code, *arguments]
        if not network:
            command = ["unshare", "--net", *command]
        home = self.base / "home"
        settings = {
            "HOME": str(home),
            "WHISPERX_MODELS_DIR": str(self.store.root),
            "PATH": os.environ["PATH"],
        }
        settings |= {
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }
        become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        command = command[:2] + become + command[2:] if not network else become + command
        done = subprocess.run(
            command, env=settings | variables, cwd=home, capture_output=True, text=True, timeout=300
        )
        return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else done.stderr


@pytest.fixture(scope="module", params=SETS, ids=lambda names: names[0])
def place(request: pytest.FixtureRequest, uv: str) -> Iterator[Place]:
    base = Path(tempfile.mkdtemp(prefix="whisperx-models-test-"))
    base.chmod(0o755)
    system = shutil.which("python3", path="/usr/bin") or sys.executable
    python = str(base / "venv/bin/python")
    subprocess.run([uv, "venv", "--quiet", "--python", system, str(base / "venv")], check=True)
    (base / "overrides.txt").write_text(AV)
    command = [uv, "pip", "install", "--quiet", "--python", python, "--override", str(base / "overrides.txt")]
    subprocess.run([*command, *request.param], check=True)
    sources.write(str(next((base / "venv/lib").glob("python*")) / "site-packages"))
    store = Store(base / "models")
    store.whisper("tiny.en", weights.tiny_en())
    store.hub("whisper", ["house"], "whisperx-fleet/house", weights.tiny_en(), "2026-11")
    store.finish()
    (base / "home").mkdir()
    os.chown(base / "home", NOBODY, NOBODY)
    speak(base / "speech.wav", WORDS)
    yield Place(base, store)
    shutil.rmtree(base)


@pytest.mark.usefixtures("as_root")
def test_right_words_without_a_network_for_every_user(place: Place) -> None:
    heard = place.run(TRANSCRIBE, "tiny.en", str(place.base / "speech.wav"))
    errors, _ = word_errors(WORDS, heard)
    assert errors <= 1, heard
    # Nothing was kept for the user, and the store is as it was.
    assert not (place.base / "home/.cache/huggingface").exists()


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize("name", ["Systran/faster-whisper-tiny.en", "house"])
def test_every_name_is_known(place: Place, name: str) -> None:
    assert place.run(DIRECTORY, name).startswith(str(place.store.directory / "hub"))


DIRECTORY = """
import json, sys
from faster_whisper import download_model
print(json.dumps(download_model(sys.argv[1])))
"""


@pytest.mark.usefixtures("as_root")
def test_of_a_placed_model_no_server_is_asked_and_others_are_fetched(place: Place) -> None:
    """The hub's main has moved since: the placed revision stays, and the user gets other models as always."""
    with Hub() as hub:
        hub.add("Systran/faster-whisper-tiny.en", {"config.json": b"{}", "model.bin": b"newer"})
        hub.add("Systran/faster-whisper-small", {"config.json": b"{}", "model.bin": b"small"})
        placed = place.run(DIRECTORY, "tiny.en", network=True, HF_ENDPOINT=hub.endpoint)
        assert placed.startswith(str(place.store.directory)), placed
        assert hub.requests == []
        fetched = place.run(DIRECTORY, "small", network=True, HF_ENDPOINT=hub.endpoint)
        assert fetched.startswith(f"{place.base}/home/.cache/huggingface/hub/"), fetched
        assert (Path(fetched) / "model.bin").read_bytes() == b"small"
    assert "could not be loaded" in place.run(DIRECTORY, "medium", HF_ENDPOINT="http://127.0.0.1:9")


@pytest.mark.usefixtures("as_root")
def test_a_hub_that_never_answers_is_not_waited_for(place: Place) -> None:
    with Hub() as hub:
        hub.faults.silent = True
        placed = place.run(DIRECTORY, "tiny.en", network=True, HF_ENDPOINT=hub.endpoint)
        assert placed.startswith(str(place.store.directory)) and hub.requests == []


HUB_FILE = """
import json, sys
from huggingface_hub import hf_hub_download, snapshot_download, try_to_load_from_cache
name = sys.argv[1]
found = [hf_hub_download(name, "config.json"), snapshot_download(name) + "/config.json"]
found.append(try_to_load_from_cache(name, "config.json"))
try:
    found.append(hf_hub_download(name, "added_tokens.json"))
except OSError as error:
    found.append(type(error).__name__)
print(json.dumps(found))
"""


@pytest.mark.usefixtures("as_root")
def test_the_hubs_own_functions(place: Place) -> None:
    *files, error = place.run(HUB_FILE, "Systran/faster-whisper-tiny.en")
    assert len(set(files)) == 1 and files[0].startswith(str(place.store.directory))
    assert error == "LocalEntryNotFoundError"
