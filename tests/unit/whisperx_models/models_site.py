"""A site for tests: wheels with the tables of names, their locks, a hub, a store, the options of a run."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from module_utils.whisperx_common import lockfile
from module_utils.whisperx_models.run import ARGUMENTS, run
from tests.models.hub import Hub

ROOT = Path(__file__).parents[3]
ROWS = ROOT / "roles/whisperx_models/files/models.yml"

# As the real packages have them, shortened: `test_models_tables` reads real ones where an index is there.
SOURCES = {
    "faster-whisper": {
        "faster_whisper/utils.py": """
_MODELS = {"base": "Systran/faster-whisper-base", "tiny.en": "Systran/faster-whisper-tiny.en",
           "large": "Systran/faster-whisper-large-v3", "large-v3": "Systran/faster-whisper-large-v3"}
"""
    },
    "whisperx": {
        "whisperx/alignment.py": """
DEFAULT_ALIGN_MODELS_TORCH = {"en": "WAV2VEC2_ASR_BASE_960H", "de": "VOXPOPULI_ASR_BASE_10K_DE"}
DEFAULT_ALIGN_MODELS_HF = {"ja": "jonatasgrosman/wav2vec2-large-xlsr-53-japanese"}
def align():
    nltk_load(f'tokenizers/punkt_tab/{punkt_lang}.pickle')
""",
        "whisperx/utils.py": "PUNKT_LANGUAGES = {'de': 'german', 'en': 'english'}\n",
    },
    "torchaudio": {
        "torchaudio/pipelines/_wav2vec2/impl.py": """
WAV2VEC2_ASR_BASE_960H = Wav2Vec2ASRBundle(_path="wav2vec2_fairseq_base_ls960_asr_ls960.pth", _params={})
VOXPOPULI_ASR_BASE_10K_DE = Wav2Vec2ASRBundle("wav2vec2_voxpopuli_base_10k_asr_de.pt", {})
"""
    },
    "pyannote-audio": {
        "pyannote/audio/pipelines/speaker_diarization.py": """
class SpeakerDiarization:
    def __init__(self, legacy=False,
        segmentation={"checkpoint": "pyannote/speaker-diarization-community-1", "subfolder": "segmentation"},
        embedding={"checkpoint": "pyannote/speaker-diarization-community-1", "subfolder": "embedding"},
        plda={"checkpoint": "pyannote/speaker-diarization-community-1", "subfolder": "plda"}, step=0.1):
        pass
"""
    },
}
VERSIONS = {"faster-whisper": "1.2.1", "whisperx": "3.8.6", "torchaudio": "2.8.0", "pyannote-audio": "4.0.7"}
WHISPER = {
    "config.json": b'{"model": "whisper"}',
    "model.bin": bytes(range(256)) * 500,
    "tokenizer.json": b"{}",
    "vocabulary.json": b"[]",
    "README.md": b"read me",
    "pytorch_model.bin": b"a twin",
}
ALIGN = {
    "config.json": b'{"model": "wav2vec2"}',
    "preprocessor_config.json": b"{}",
    "vocab.json": b'{"a": 1}',
    "model.safetensors": b"weights" * 100,
    "pytorch_model.bin": b"a twin" * 100,
    "flax_model.msgpack": b"another twin",
}
SPEECH, GERMAN = b"torch weights en" * 1000, b"torch weights de" * 1000


def wheel(folder: Path, package: str, version: str, sources: Mapping[str, str]) -> dict[str, str]:
    """Write a wheel with these sources; return file, sha256 and path."""
    name = f"{package.replace('-', '_')}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(folder / name, "w") as archive:
        for path, text in sources.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    data = (folder / name).read_bytes()
    return {"file": name, "sha256": hashlib.sha256(data).hexdigest(), "path": str(folder / name)}


def package_lock(folder: Path, versions: Mapping[str, str] = VERSIONS) -> dict[str, Any]:
    """Return a lock of whisperx_lock's whose wheels lie in a directory."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [wheel(folder, name, versions[name], SOURCES[name]) for name in versions]
    packages = [
        lockfile.LockedPackage(name, versions[name], one["sha256"], one["file"], 1, "local")
        for name, one in zip(versions, files, strict=True)
    ]
    known = ("class", "platform", "python", "device", "torch-build", "torch-backend", "catalogue", "uv")
    header = dict.fromkeys(known, "x") | {"whisperx-fleet-lock": lockfile.SCHEMA, "request": "{}"}
    return {"text": lockfile.render(lockfile.Lock(header, tuple(packages))), "files": files}


def sentences(**languages: bytes) -> bytes:
    """Return NLTK's archive with a file of each language."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("punkt_tab/README", "read me")
        for language, data in languages.items():
            archive.writestr(f"punkt_tab/{language}/collocations.tab", data)
            archive.writestr(f"punkt_tab/{language}/ortho_context.tab", data + b" context")
    return stream.getvalue()


class Site:
    """The controller of a site."""

    def __init__(self, folder: Path, hub: Hub) -> None:
        self.folder, self.hub = folder, hub
        self.lock_dir, self.store = folder / "locks", folder / "store"
        self.locks = {"cpu": package_lock(folder / "wheels")}

    @property
    def text(self) -> str:
        return (self.lock_dir / "models.txt").read_text()

    def options(self, models: list[dict[str, str]], **more: Any) -> dict[str, Any]:
        listed = [
            f"{kind} {one[kind]}" for one in models for kind in ("whisper", "align", "diarize") if kind in one
        ]
        given = {name: option.get("default") for name, option in ARGUMENTS.items()}
        return {
            **given,
            "wants": [{"class": "cpu", "models": models}],
            "listed": listed,
            "locks": self.locks,
            "lock_dir": str(self.lock_dir),
            "dir": str(self.store),
            "rows": str(ROWS),
            "endpoint": self.hub.endpoint,
            "torch_url": self.hub.endpoint + "/torchaudio",
            "nltk_url": self.hub.endpoint + "/nltk",
            **more,
        }

    def lock(self, *models: dict[str, str], check: bool = False, **more: Any) -> dict[str, Any]:
        return run(self.options(list(models), **more), check)

    def fill(
        self, contents: Mapping[str, int], *models: dict[str, str], check: bool = False, **more: Any
    ) -> Any:
        given = self.options(list(models), state="filled", contents=dict(contents), lock=self.text, **more)
        return json.loads(json.dumps(run(given, check)))
