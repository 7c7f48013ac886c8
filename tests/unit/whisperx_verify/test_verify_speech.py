"""The level speech, as far as it takes no model: the sentence, the comparison, and what a file is."""

from __future__ import annotations

import hashlib
import struct
import wave
from pathlib import Path

import pytest

from module_utils.whisperx_verify import model_file, spoken, supervise, transcript
from module_utils.whisperx_verify.records import Check, Request


def test_the_recording_is_the_one_that_models_heard(tmp_path: Path) -> None:
    found = spoken.samples()
    assert len(found) == 40190 and min(found) < -8000 and max(found) > 8000
    packed = struct.pack(f"<{len(found)}h", *found)
    with wave.open(spoken.write(str(tmp_path / "s.wav"))) as stream:
        assert (stream.getframerate(), stream.getnchannels(), stream.getsampwidth()) == (8000, 1, 2)
        assert stream.readframes(stream.getnframes()) == packed
    assert hashlib.sha256(packed).hexdigest() == SHA256


SHA256 = "4734e07e4c7037264fd69e573910ab452f62589f1f8f2c976a329e7142402393"


@pytest.mark.parametrize(
    ("heard", "errors"),
    [
        ("Welcome to the meeting. Please open your books, and read the first page!", 0),
        ("welcome to the meeting, clean open your books and read the first page", 1),
        ("Welcome to the meeting. Please open your books and read the first page. Thank you.", 2),
        ("Thank you.", 13),
        ("", 13),
    ],
)
def test_words_are_compared(heard: str, errors: int) -> None:
    assert transcript.word_errors(heard) == errors


def text(value: str) -> bytes:
    return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"


def model(version: int = 6, kind: str = "WhisperSpec") -> bytes:
    """A model of one weight and one alias in CTranslate2's format."""
    head = struct.pack("<I", version) + text(kind) + struct.pack("<I", 3)
    weight = text("encoder/weight") + struct.pack("<BII", 2, 4, 8) + struct.pack("<BI", 0, 128) + bytes(128)
    return (
        head
        + struct.pack("<I", 1)
        + weight
        + struct.pack("<I", 1)
        + text("decoder/a")
        + text("encoder/weight")
    )


def test_a_whole_model(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(model())
    assert model_file.inspect(str(tmp_path / "model.bin"), 6) == "format 6, 0 MB"


def test_cut_off_at_any_byte(tmp_path: Path) -> None:
    path, whole = tmp_path / "model.bin", model()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="cut off"):
            model_file.inspect(str(path), 6)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (model(version=7), "newer CTranslate2: format 7, and the installed one reads up to 6"),
        (model(kind="TransformerSpec"), "a model of kind TransformerSpec"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "pointer of Git LFS"),
        (b"PK\x03\x04" + bytes(100), "PyTorch"),
        (b"lmgg" + bytes(100), "whisper.cpp"),
        (b"GGUF" + bytes(100), "GGUF"),
        (b"<!DOCTYPE html><html>" + bytes(100), "web page"),
        (b'{"error": "Repository not found"}', "JSON"),
        (struct.pack("<Q", 80) + b'{"a": {"dtype": "F32"}}' + bytes(80), "safetensors"),
        (b"\xff" * 100, "no format of CTranslate2"),
    ],
)
def test_another_file_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    with pytest.raises(ValueError) as raised:
        model_file.inspect(str(path), 6)
    assert str(path) in str(raised.value) and words in str(raised.value)


@pytest.mark.parametrize(
    ("level", "names", "reached"),
    [
        ("pipeline", ["import a"], "pipeline"),
        ("pipeline", ["speech file base", "speech base"], "speech"),
        ("speech", ["speech"], "speech"),
        ("kernels", ["kernels cpu"], "kernels"),
    ],
)
def test_the_level_that_a_report_says(level: str, names: list[str], reached: str) -> None:
    checks = [Check(name, True) for name in names]
    assert supervise._report(Request(level, "cpu"), checks, 1.0, "")["level"] == reached
