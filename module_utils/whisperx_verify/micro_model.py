"""A Whisper model small enough to make on the spot, real enough to use every kernel of the real ones.

One encoder and one decoder layer of width 32 with seeded random weights, but Whisper's own vocabulary size,
audio length and file formats: convolutions, attention, layer norms and the vocabulary product all run, only
the text that comes out is nonsense. Needs numpy, downloads nothing.

The files are written directly, not through ``ctranslate2.specs``, which imports torch where it is
installed: torch maps cuBLAS and cuDNN into the process and would hide that CTranslate2 alone cannot find
them. The format is that of the published Whisper models (binary version 6, WhisperSpec revision 3;
ctranslate2/specs/model_spec.py), which every release reads. Sizes and token ids are those of the
multilingual models (openai/whisper, model.py, tokenizer.py).
"""

from __future__ import annotations

import json
import os
import struct
from importlib import import_module
from typing import IO, Any, Dict, List, Tuple

__all__ = ["PROMPT", "REFERENCE", "REFERENCE_FRAME", "make_features", "make_model"]

BINARY_VERSION = 6
NAME = "WhisperSpec"
REVISION = 3
# Type numbers of the binary format.
FLOAT32, INT8, INT16 = 0, 1, 2

WIDTH = 32
HEADS = 2
MELS = 80
# 30 seconds in steps of 10 ms; the second convolution halves them.
FRAMES = 3000
AUDIO_POSITIONS = 1500
TEXT_POSITIONS = 448

VOCABULARY = 51865
FIRST_SPECIAL = 50257
FIRST_TIMESTAMP = 50364
SPECIAL = {
    50257: "<|endoftext|>",
    50258: "<|startoftranscript|>",
    50259: "<|en|>",
    50358: "<|translate|>",
    50359: "<|transcribe|>",
    50360: "<|startoflm|>",
    50361: "<|startofprev|>",
    50362: "<|nospeech|>",
    50363: "<|notimestamps|>",
}
# start of transcript, English, transcribe, no timestamps
PROMPT = [50258, 50259, 50359, 50363]

# The encoder's output for ``make_features`` at one frame, as plain numpy computes it
# (tests/integration/test_verify.py does so again); every CTranslate2 from 3.24.0 to 4.8.5 agrees to four
# digits.
REFERENCE_FRAME = 700
# fmt: off
REFERENCE = (
    0.2838, 0.3009, 1.9557, -0.5215, -1.5222, -0.2224, 0.5358, -0.2182,
    0.0416, 0.2988, -0.1630, 0.9007, 0.0700, -0.3987, -1.3623, -0.5509,
    0.5697, -1.0163, 0.7997, 0.4278, 1.8583, 1.2140, -0.1483, 0.4843,
    1.7930, -0.2942, -0.6322, -1.6931, -0.1378, 0.2389, -1.9242, -1.3622,
)
# fmt: on

SCALARS = {
    "encoder/num_heads": (INT16, HEADS),
    "decoder/num_heads": (INT16, HEADS),
    "decoder/activation": (INT8, 3),  # GELU
    "decoder/alignment_heads": (INT16, 1),
    "decoder/alignment_layer": (INT16, -1),
    "decoder/pre_norm": (INT8, 1),
    "decoder/scale_embeddings": (INT8, 0),
    "decoder/start_from_zero_embedding": (INT8, 0),
}
CONFIG = {"alignment_heads": [[0, 0]], "lang_ids": [50259], "suppress_ids": [], "suppress_ids_begin": []}


def make_model(directory: str) -> str:
    """Write the model (about 8 MB) into ``directory`` and return it; a finished one is kept as it is."""
    last = os.path.join(directory, "model.bin")
    if os.path.exists(last):
        return directory
    os.makedirs(directory, exist_ok=True)
    tokens = _tokens()
    for name, content in (
        ("config.json", CONFIG),
        ("vocabulary.json", tokens),
        ("tokenizer.json", _tokenizer(tokens)),
    ):
        with open(os.path.join(directory, name), "w", encoding="utf-8") as stream:
            json.dump(content, stream)
    with open(last + ".part", "wb") as binary:
        _write(binary, _weights())
    os.replace(last + ".part", last)
    return directory


def make_features() -> Any:
    """Return what stands for the spectrogram of 30 seconds of sound; the same numbers on every machine."""
    numpy: Any = import_module("numpy")
    noise = numpy.random.RandomState(1).normal(0.0, 1.0, (1, MELS, FRAMES))
    return noise.astype(numpy.float32)


def _tokens() -> List[str]:
    """Return the vocabulary in id order: words, special tokens, the 1501 timestamps."""
    tokens = [f"w{number}" for number in range(FIRST_SPECIAL)]
    tokens += [f"<|x{number}|>" for number in range(FIRST_SPECIAL, FIRST_TIMESTAMP)]
    tokens += [f"<|{step * 0.02:.2f}|>" for step in range(VOCABULARY - FIRST_TIMESTAMP)]
    for number, token in SPECIAL.items():
        tokens[number] = token
    return tokens


def _tokenizer(tokens: List[str]) -> Dict[str, Any]:
    """Return a word-level tokenizer.json (huggingface/tokenizers format) over ``tokens``."""
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            dict(plain, id=number, content=tokens[number], special=True)
            for number in range(FIRST_SPECIAL, FIRST_TIMESTAMP)
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordLevel",
            "vocab": {token: number for number, token in enumerate(tokens)},
            "unk_token": SPECIAL[FIRST_SPECIAL],
        },
    }


def _shapes() -> Dict[str, Tuple[int, ...]]:
    """Return the shape of every weight by its name in the file; ``gamma`` and ``beta`` are layer norms."""
    shapes: Dict[str, Tuple[int, ...]] = {
        "encoder/conv1/weight": (WIDTH, MELS, 3),
        "encoder/conv1/bias": (WIDTH,),
        "encoder/conv2/weight": (WIDTH, WIDTH, 3),
        "encoder/conv2/bias": (WIDTH,),
        "encoder/position_encodings/encodings": (AUDIO_POSITIONS, WIDTH),
        "decoder/embeddings/weight": (VOCABULARY, WIDTH),
        "decoder/position_encodings/encodings": (TEXT_POSITIONS, WIDTH),
    }
    blocks = {
        "self_attention": (3 * WIDTH, WIDTH),
        "attention": (WIDTH, 2 * WIDTH, WIDTH),
        "ffn": (4 * WIDTH, WIDTH),
    }
    for side, names in (("encoder", ("self_attention", "ffn")), ("decoder", tuple(blocks))):
        norms = [side + "/layer_norm"]
        for name in names:
            block = f"{side}/layer_0/{name}"
            norms.append(block + "/layer_norm")
            for index, rows in enumerate(blocks[name]):
                columns = 4 * WIDTH if (name, index) == ("ffn", 1) else WIDTH
                shapes[f"{block}/linear_{index}/weight"] = (rows, columns)
                shapes[f"{block}/linear_{index}/bias"] = (rows,)
        for norm in norms:
            shapes[norm + "/gamma"] = shapes[norm + "/beta"] = (WIDTH,)
    return shapes


def _weights() -> Dict[str, Any]:
    """Return every weight as a float32 array; the same numbers on every machine."""
    numpy: Any = import_module("numpy")

    random = numpy.random.RandomState(20250408)
    return {
        name: numpy.ones(shape, numpy.float32)
        if name.endswith("/gamma")
        else random.normal(0.0, 0.25, shape).astype(numpy.float32)
        for name, shape in sorted(_shapes().items())
    }


def _write(stream: IO[bytes], weights: Dict[str, Any]) -> None:
    """Write CTranslate2's binary format; the vocabulary product is an alias of the embeddings."""

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode("ascii") + b"\0"

    stream.write(struct.pack("<I", BINARY_VERSION) + text(NAME) + struct.pack("<I", REVISION))
    stream.write(struct.pack("<I", len(SCALARS) + len(weights)))
    for name, (kind, number) in sorted(SCALARS.items()):
        content = struct.pack("<b" if kind == INT8 else "<h", number)
        stream.write(text(name) + struct.pack("<BBI", 0, kind, len(content)) + content)
    for name, array in sorted(weights.items()):
        content = array.astype("<f4").tobytes()
        stream.write(text(name) + struct.pack("<B", array.ndim))
        stream.write(struct.pack(f"<{array.ndim}I", *array.shape))
        stream.write(struct.pack("<BI", FLOAT32, len(content)) + content)
    stream.write(struct.pack("<I", 1) + text("decoder/projection/weight") + text("decoder/embeddings/weight"))
