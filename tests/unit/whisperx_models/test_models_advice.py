"""What a user should know of models: licences, and the memory of a GPU."""

from __future__ import annotations

from typing import Any

import pytest
from models_site import ROWS

from module_utils.whisperx_models import advice
from module_utils.whisperx_models.request import Request
from module_utils.whisperx_models.rows import read_rows

ROWS_READ = read_rows(ROWS)
LARGE, TURBO, BASE = (Request("whisper", name) for name in ("large-v3", "turbo", "base"))
NAMES = {
    "large-v3": "Systran/faster-whisper-large-v3",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
}


@pytest.mark.parametrize(
    ("mib", "words"),
    [
        (81559, "fits the GPU's 85521 MB with float16 and int8"),
        (4096, "fits the GPU's 4295 MB with --compute_type int8 only"),
        (2048, "does not fit the GPU's 2147 MB"),
    ],
)
def test_a_model_is_compared_with_the_memory_of_the_gpu(mib: int, words: str) -> None:
    (sentence,) = advice.memory(ROWS_READ, [LARGE], NAMES, [{"name": "x", "memory_mib": mib}])
    assert sentence.startswith(f"whisper large-v3 {words}") and "4521 MB" in sentence


def test_the_largest_gpu_counts_and_each_model_has_its_row() -> None:
    said = advice.memory(ROWS_READ, [TURBO], NAMES, [{"memory_mib": 1024}, {"memory_mib": 8192}])
    assert "float16 2537 MB" in said[0] and "8590 MB" in said[0]


@pytest.mark.parametrize("gpus", [None, [], "nonsense", [{"memory_mib": "much"}], [{}]])
def test_without_a_known_size_nothing_is_said(gpus: Any) -> None:
    assert advice.memory(ROWS_READ, [LARGE], NAMES, gpus) == []


def test_a_model_without_a_row_is_left_out() -> None:
    assert advice.memory(ROWS_READ, [BASE], {}, [{"memory_mib": 512}]) == []


def test_terms_are_named_before_and_after_the_lock() -> None:
    german = "torchaudio:VOXPOPULI_ASR_BASE_10K_DE"
    pipeline = "pyannote/speaker-diarization-community-1"
    said = advice.licences(
        ROWS_READ, [german, f"hub:{pipeline}#diarize", "torchaudio:WAV2VEC2_ASR_BASE_960H"]
    )
    assert len(said) == 2 and "pyannote's" in said[0] and "commercial use" in said[1]
    early = advice.foreseen(
        ROWS_READ, [Request("align", "de"), Request("align", "en"), Request("diarize", pipeline)]
    )
    assert len(early) == 2 and "commercial use" in early[0] and "pyannote's" in early[1]
    assert advice.foreseen(ROWS_READ, [Request("align", "de", path="/srv/german")]) == []
