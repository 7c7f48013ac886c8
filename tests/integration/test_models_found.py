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
from module_utils.whisperx_verify.records import Request
from module_utils.whisperx_verify.runner import run
from module_utils.whisperx_verify.sources import write_probe
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
# Nothing is drawn by lot; the first part alone, for an old version makes up more from the silence after it.
options = {"language": "en", "temperature": 0.0, "condition_on_previous_text": False}
print(json.dumps(next(iter(model.transcribe(sys.argv[2], **options)[0])).text))
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


IMPORTS = [{"package": name, "module": name.replace("-", "_")} for name in ("ctranslate2", "faster-whisper")]


def verified(place: Place, store: Store, level: str, scratch: Path) -> dict[str, Any]:
    """Verify the environment as site.yml does, with this store."""
    launcher = scratch / "python"
    launcher.write_text(
        f'#!/bin/sh\nWHISPERX_MODELS_DIR={store.root} exec {place.base}/venv/bin/python "$@"\n'
    )
    launcher.chmod(0o755)
    return run(str(launcher), None, level, "cpu", IMPORTS, 600, str(scratch))


def only_the_newest(place: Place) -> None:
    if not list((place.base / "venv/lib").glob("python*/site-packages/faster_whisper-1.2.*")):
        pytest.skip("the same code as with the newest")


def test_speech_is_verified_where_a_model_is_placed(place: Place, tmp_path: Path) -> None:
    report = verified(place, place.store, "pipeline", tmp_path)
    assert report["ok"], report["findings"]
    assert report["level"] == "speech" and report["warnings"] == []
    details = {check["name"]: check["detail"] for check in report["checks"]}
    assert details["speech file house"] == "format 6, 72 MB"
    assert details["speech tiny.en"].endswith(" of 13 words")


def test_what_is_wrong_with_a_placed_model_is_named(place: Place, tmp_path: Path) -> None:
    only_the_newest(place)
    store, folder = Store(tmp_path / "models"), tmp_path / "made"
    write_probe(str(tmp_path / "probe"), Request("import", "cpu"))
    code = "import sys\nsys.path.insert(0, sys.argv[1])\nfrom whisperx_verify.micro_model import make_model\n"
    command = [str(place.base / "venv/bin/python"), "-c", code + "make_model(sys.argv[2])"]
    subprocess.run([*command, str(tmp_path / "probe"), str(folder)], check=True)
    whole = (folder / "model.bin").read_bytes()
    for name, content in (("random", whole), ("cut", whole[:-900]), ("newer", b"\x63" + whole[1:])):
        (folder / "model.bin").write_bytes(content)
        store.whisper(name, folder)
    store.finish()
    report = verified(place, store, "speech", tmp_path)
    findings = dict(sentence.split(" failed", 1) for sentence in report["findings"])
    assert set(findings) == {"speech file cut", "speech file newer", "speech random"}
    assert "is cut off" in findings["speech file cut"]
    assert "is for a newer CTranslate2: format 99" in findings["speech file newer"]
    assert "words are wrong" in findings["speech random"]


def test_without_a_model_speech_is_not_verified_and_fails_if_it_was_asked_for(
    place: Place, tmp_path: Path
) -> None:
    only_the_newest(place)
    report = verified(place, Store(tmp_path / "none"), "speech", tmp_path)
    assert not report["ok"]
    assert ["no Whisper model that knows English is placed" in found for found in report["findings"]] == [
        True
    ]
