"""The proof on a real environment: ctranslate2 and faster-whisper, about 300 MB on disk.

Needs uv and the package index. With WHISPERX_FLEET_FULL set to the Python of an environment that holds the
whole of WhisperX, the last test proves that one too.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from module_utils.whisperx_verify import micro_model
from module_utils.whisperx_verify.records import Request
from module_utils.whisperx_verify.runner import run
from module_utils.whisperx_verify.sources import write_probe

# faster-whisper 1.2.1 reads files with an argument that PyAV 19 no longer has.
PACKAGES = ("ctranslate2", "faster-whisper", "av<19")
IMPORTS = [
    {"package": "faster-whisper", "module": "faster_whisper", "optional": False},
    {"package": "ctranslate2", "module": "ctranslate2", "optional": False},
    {"package": "onnxruntime", "module": "onnxruntime", "optional": False},
]


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder of this file's own, removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="whisperx-verify-test-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def venv(place: Path, uv: str) -> Path:
    """A real environment with ctranslate2 and faster-whisper."""
    folder = place / "venv"
    # The system's Python is one that every user can run.
    system = shutil.which("python3", path="/usr/bin") or sys.executable
    subprocess.run([uv, "venv", "--quiet", "--python", system, str(folder)], check=True)
    python = str(folder / "bin" / "python")
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *PACKAGES], check=True)
    return folder


@pytest.fixture(scope="module")
def python(venv: Path) -> str:
    return str(venv / "bin" / "python")


def site(venv: Path) -> Path:
    return next((venv / "lib").glob("python*")) / "site-packages"


def checks(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in report["checks"]}


@pytest.mark.parametrize("level", ["import", "kernels", "pipeline"])
def test_a_good_environment(python: str, tmp_path: Path, level: str) -> None:
    report = run(python, None, level, "cpu", IMPORTS, 120, str(tmp_path))
    assert report["ok"], report["findings"]
    assert report["warnings"] == []
    names = [check["name"] for check in report["checks"]]
    # CTranslate2 computes before anything else is imported.
    assert names[0] == "import ctranslate2"
    assert names[-1].startswith({"import": "import", "kernels": "import", "pipeline": "pipeline"}[level])
    kernels = [name for name in names if name.startswith("kernels cpu")]
    assert ("kernels cpu float32" in kernels and "kernels cpu int8" in kernels) == (level != "import")
    assert ("pipeline faster_whisper" in names) == (level == "pipeline")
    assert list(tmp_path.iterdir()) == []


def test_it_writes_nothing_into_the_environment(venv: Path, python: str, tmp_path: Path) -> None:
    def listing() -> set[tuple[str, int]]:
        return {(str(path), path.lstat().st_mtime_ns) for path in venv.rglob("*")}

    before = listing()
    assert run(python, None, "pipeline", "cpu", IMPORTS, 120, str(tmp_path), read_only=True)["ok"]
    assert listing() == before


def test_a_device_that_is_not_there(python: str, tmp_path: Path) -> None:
    if Path("/dev/nvidiactl").exists():
        pytest.skip("this machine has the device")
    report = run(python, None, "pipeline", "cuda", IMPORTS, 120, str(tmp_path))
    assert not report["ok"]
    error = checks(report)["kernels cuda types"]["error"]
    assert "CUDA" in error and error.startswith(("RuntimeError: ", "ValueError: "))
    assert not checks(report)["pipeline faster_whisper"]["ok"]


@pytest.mark.parametrize("kept", [0, 0.5])
def test_a_damaged_library(venv: Path, python: str, tmp_path: Path, kept: float) -> None:
    """A lost library is an exception; a truncated one kills the process when its pages are touched."""
    library = next((site(venv) / "ctranslate2.libs").glob("libctranslate2*"))
    whole = library.read_bytes()
    spare = library.with_name("spare")
    library.rename(spare)
    try:
        if kept:
            library.write_bytes(whole[: int(len(whole) * kept)])
        report = run(python, None, "pipeline", "cpu", IMPORTS, 120, str(tmp_path))
    finally:
        spare.replace(library)
    assert not report["ok"]
    check = checks(report)["import ctranslate2"]
    assert not check["ok"] and (check["signal"] or check["error"])
    assert checks(report)["kernels cpu"]["error"] == "not tried, because 'import ctranslate2' failed"
    assert checks(report)["import onnxruntime"]["ok"]


def test_a_broken_detector(venv: Path, python: str, tmp_path: Path) -> None:
    asset = next((site(venv) / "faster_whisper" / "assets").glob("silero*.onnx"))
    asset.rename(asset.with_name("spare"))
    try:
        report = run(python, None, "pipeline", "cpu", IMPORTS, 120, str(tmp_path))
    finally:
        asset.with_name("spare").rename(asset)
    assert [finding.split(" failed")[0] for finding in report["findings"]] == ["pipeline faster_whisper vad"]


def test_a_pipeline_that_passes_the_model_over(venv: Path, python: str, tmp_path: Path) -> None:
    """Empty results without an error, as a detector that hears nothing gives them, are no proof."""
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import importlib.abc, sys\n"
        "class Finder(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name != 'faster_whisper.transcribe': return None\n"
        "        sys.meta_path.remove(self)\n"
        "        spec = importlib.util.find_spec(name)\n"
        "        run = spec.loader.exec_module\n"
        "        def execute(module):\n"
        "            run(module)\n"
        "            module.WhisperModel.transcribe = lambda self, *a, **k: (iter([]), None)\n"
        "        spec.loader.exec_module = execute\n"
        "        return spec\n"
        "import importlib.util\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    launcher = tmp_path / "python"
    launcher.write_text(f'#!/bin/sh\nPYTHONPATH={hook} exec {python} "$@"\n')
    launcher.chmod(0o755)
    report = run(str(launcher), None, "pipeline", "cpu", IMPORTS, 120, str(tmp_path))
    assert "the model was not really used" in checks(report)["pipeline faster_whisper"]["error"]
    assert not report["ok"]


# The encoder of Whisper (openai/whisper, model.py, AudioEncoder), written down once more in plain numpy.
NUMPY_ENCODER = """
import json, math, sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from whisperx_verify import micro_model as m

w = m._weights()
gelu = np.vectorize(lambda x: 0.5 * x * (1 + math.erf(x / math.sqrt(2))), otypes=[float])

def convolve(x, name, stride):
    kernel, bias = w[name + "/weight"], w[name + "/bias"]
    padded = np.pad(x, ((0, 0), (1, 1)))
    columns = [padded[:, i:i + 3] for i in range(0, x.shape[1], stride)]
    return gelu(np.einsum("oik,tik->ot", kernel, np.array(columns)) + bias[:, None])

def norm(x, name):
    centred = x - x.mean(-1, keepdims=True)
    scale = w[name + "/gamma"] / np.sqrt((centred ** 2).mean(-1, keepdims=True) + 1e-5)
    return centred * scale + w[name + "/beta"]

def linear(x, name):
    return x @ w[name + "/weight"].T + w[name + "/bias"]

x = convolve(convolve(m.make_features()[0].astype(float), "encoder/conv1", 1), "encoder/conv2", 2).T
x = x + w["encoder/position_encodings/encodings"]
block = "encoder/layer_0/self_attention"
q, k, v = np.split(linear(norm(x, block + "/layer_norm"), block + "/linear_0"), 3, axis=-1)
heads = []
for part in np.split(np.arange(m.WIDTH), m.HEADS):
    scores = q[:, part] @ k[:, part].T / math.sqrt(len(part))
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    heads.append(scores / scores.sum(-1, keepdims=True) @ v[:, part])
x = x + linear(np.concatenate(heads, -1), block + "/linear_1")
block = "encoder/layer_0/ffn"
x = x + linear(gelu(linear(norm(x, block + "/layer_norm"), block + "/linear_0")), block + "/linear_1")
print(json.dumps(norm(x, "encoder/layer_norm")[m.REFERENCE_FRAME].tolist()))
"""


def test_the_right_numbers_are_those_of_plain_numpy(python: str, tmp_path: Path) -> None:
    """What the kernels are compared with was not made by the kernels."""
    write_probe(str(tmp_path), Request("kernels", "cpu"))
    told = subprocess.run(
        [python, "-c", NUMPY_ENCODER, str(tmp_path)], check=True, capture_output=True, text=True
    )
    assert json.loads(told.stdout) == pytest.approx(micro_model.REFERENCE, abs=2e-4)


def test_by_hand_as_any_user(place: Path, python: str, tmp_path: Path) -> None:
    """Who is not root can repeat the proof with the files on the host."""
    if os.getuid() != 0:
        pytest.skip("takes root to become somebody else")
    shared = place / "shared"
    assert run(python, str(shared / "verify"), "kernels", "cpu", IMPORTS, 120, str(tmp_path))["ok"]
    for folder in (place, shared):
        folder.chmod(0o755)
    command = [python, str(shared / "verify" / "probe.py"), "--json"]
    told = subprocess.run(
        command, capture_output=True, text=True, user=65534, group=65534, cwd="/", env={"HOME": "/"}
    )
    assert told.returncode == 0, told.stderr
    report = json.loads(told.stdout)
    assert report["ok"] and report["level"] == "kernels"


@pytest.mark.skipif(
    "WHISPERX_FLEET_FULL" not in os.environ, reason="WHISPERX_FLEET_FULL names no environment"
)
def test_the_whole_of_whisperx(tmp_path: Path) -> None:
    names = ("whisperx", "pyannote.audio", "torch", "torchaudio", "faster_whisper", "ctranslate2")
    imports = [{"package": name.replace("_", "-"), "module": name} for name in names]
    report = run(os.environ["WHISPERX_FLEET_FULL"], None, "pipeline", "cpu", imports, 300, str(tmp_path))
    assert report["ok"], report["findings"]
    whisperx = {name: check["ok"] for name, check in checks(report).items() if "whisperx" in name}
    assert set(whisperx) == {
        "import whisperx",
        "pipeline whisperx audio",
        "pipeline whisperx",
        "pipeline whisperx align",
        "pipeline whisperx diarize",
    }
