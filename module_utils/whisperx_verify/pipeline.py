"""Level pipeline: what a user does, offline: faster-whisper and WhisperX turn a sound file into text."""

from __future__ import annotations

import inspect
import os
from importlib import import_module
from importlib.util import find_spec
from typing import Any, List, Tuple

from .kernels import threads
from .micro_model import make_model
from .reporter import Reporter
from .speech import SECONDS, make_speech, write_speech

__all__ = ["check", "compute_type"]

# Samples per second that Whisper takes.
SAMPLE_RATE = 16000
# Tried in this order, as users do: fast and small first.
COMPUTE_TYPES = {"cuda": ("float16", "int8_float16", "int8", "float32"), "cpu": ("int8", "float32")}
# Empty parameters of NLTK's sentence splitter: the real ones are data that WhisperX downloads at first use.
PUNKT_FILES = ("abbrev_types.txt", "collocations.tab", "ortho_context.tab", "sent_starters.txt")


def check(reporter: Reporter, device: str, scratch: str) -> None:
    """Run each front end that is installed on ``device``; without any, the kernels were the pipeline."""
    bench = Bench(device, scratch)
    if find_spec("faster_whisper") is not None:
        name = "pipeline faster_whisper"
        if not reporter.blocked(name, "import ctranslate2", "import faster_whisper"):
            reporter.step(name, bench.faster_whisper)
            reporter.step(name + " vad", bench.faster_whisper_vad)
            # Nobody needs it to transcribe, and WhisperX places words with its own aligner.
            reporter.step(name + " words", bench.faster_whisper_words, optional=True)
    if find_spec("whisperx") is not None:
        name = "pipeline whisperx"
        if not reporter.blocked(name, "import ctranslate2", "import whisperx"):
            # WhisperX reads sound with the ffmpeg command; the other steps do without it.
            reporter.step(name + " audio", bench.whisperx_audio)
            reporter.step(name, bench.whisperx)
            reporter.step(name + " align", bench.whisperx_align)
            reporter.step(name + " diarize", bench.whisperx_diarize)


def compute_type(device: str) -> str:
    """Return the number format that users would take on ``device``."""
    supported = import_module("ctranslate2").get_supported_compute_types(device)
    return next(name for name in COMPUTE_TYPES[device] if name in supported)


class Counted:
    """A CTranslate2 model that counts how often it was really asked to compute."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.encoded = 0
        self.generated = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def encode(self, *arguments: Any, **more: Any) -> Any:
        self.encoded += 1
        return self._model.encode(*arguments, **more)

    def generate(self, *arguments: Any, **more: Any) -> Any:
        self.generated += 1
        return self._model.generate(*arguments, **more)

    def require(self, segments: List[Any]) -> str:
        """Return what was done; ArithmeticError when the model was passed over or nothing came out."""
        done = f"{len(segments)} segments from {self.encoded} encoder and {self.generated} decoder calls"
        if not (segments and self.encoded and self.generated):
            raise ArithmeticError(f"the model was not really used: {done}")
        return done


class Bench:
    """The steps of the pipeline; each returns what it saw, or raises."""

    def __init__(self, device: str, scratch: str) -> None:
        self._device = device
        self._scratch = scratch

    def faster_whisper(self) -> str:
        """Transcribe a file without voice activity detection: every second of it reaches the kernels."""
        return self._transcribe(self._speech(), without_timestamps=True)[1]

    def faster_whisper_vad(self) -> str:
        """Find speech with the detector that faster-whisper carries (onnxruntime)."""
        found = import_module("faster_whisper.vad").get_speech_timestamps(make_speech(SAMPLE_RATE))
        if not found:
            raise ArithmeticError("the voice activity detector heard nothing in generated speech")
        return f"{len(found)} stretches of speech"

    def faster_whisper_words(self) -> str:
        """Place words in time, which uses the decoder's attention (CTranslate2's ``align``)."""
        sound = make_speech(SAMPLE_RATE)
        segments, done = self._transcribe(sound, without_timestamps=True, word_timestamps=True)
        if not any(segment.words for segment in segments):
            raise ArithmeticError("no word was placed")
        return done

    def _transcribe(self, sound: Any, **options: Any) -> Tuple[List[Any], str]:
        """Transcribe a file or samples with faster-whisper; return the segments and what was done."""
        kind = self._compute_type()
        model = import_module("faster_whisper").WhisperModel(
            self._model(), device=self._device, compute_type=kind, cpu_threads=threads()
        )
        counted = model.model = Counted(model.model)
        told, _info = model.transcribe(sound, language="en", temperature=0.0, vad_filter=False, **options)
        segments = list(told)
        return segments, f"{kind}: {counted.require(segments)}"

    def whisperx_audio(self) -> str:
        """Read a file as WhisperX does, with the ffmpeg command."""
        module = import_module("whisperx.audio")
        audio = module.load_audio(self._speech())
        seconds = audio.size / float(module.SAMPLE_RATE)
        if abs(seconds - SECONDS) > 0.1 or not audio.any():
            raise ArithmeticError(f"ffmpeg gave {seconds:.1f} s of sound instead of {SECONDS:.1f}")
        return f"{seconds:.1f} s of sound through ffmpeg"

    def whisperx(self) -> str:
        """Transcribe with WhisperX: pyannote finds the speech, batches of it reach the kernels."""
        load_model = import_module("whisperx.asr").load_model
        kind = self._compute_type()
        options = {"compute_type": kind, "language": "en", "threads": threads()}
        if "vad_method" in inspect.signature(load_model).parameters:
            options["vad_method"] = "pyannote"
        transcriber = load_model(self._model(), self._device, **options)
        counted = transcriber.model.model = Counted(transcriber.model.model)
        result = transcriber.transcribe(make_speech(SAMPLE_RATE), batch_size=2)
        return f"{kind}: {counted.require(result['segments'])}"

    def whisperx_align(self) -> str:
        """Place words in time with an untrained wav2vec 2.0 of torchaudio, WhisperX's kind for English."""
        align = import_module("whisperx.alignment").align
        self._write_punkt()
        labels = "-|abcdefghijklmnopqrstuvwxyz"
        metadata = {
            "language": "en",
            "dictionary": {letter: number for number, letter in enumerate(labels)},
            "type": "torchaudio",
        }
        said = [{"start": 0.5, "end": SECONDS - 0.5, "text": " Nothing is ignored"}]
        model = _micro_wav2vec(len(labels)).to(self._device).eval()
        words = align(said, model, metadata, make_speech(SAMPLE_RATE), self._device)["word_segments"]
        if not words:
            raise ArithmeticError("the aligner placed no word")
        return f"{len(words)} words placed"

    def whisperx_diarize(self) -> str:
        """Import what tells speakers apart; its models are gated, so only the user can fetch them."""
        import_module("whisperx.diarize")
        return "importable; its models are the user's to fetch"

    def _model(self) -> str:
        return make_model(os.path.join(self._scratch, "model"))

    def _speech(self) -> str:
        return write_speech(os.path.join(self._scratch, "speech.wav"))

    def _compute_type(self) -> str:
        return compute_type(self._device)

    def _write_punkt(self) -> None:
        folder = os.path.join(self._scratch, "nltk_data", "tokenizers", "punkt_tab", "english")
        os.makedirs(folder, exist_ok=True)
        for name in PUNKT_FILES:
            with open(os.path.join(folder, name), "a", encoding="utf-8"):
                pass


def _micro_wav2vec(labels: int) -> Any:
    """Return an untrained wav2vec 2.0 with ``labels`` outputs, as small as its architecture allows."""
    import_module("torch").manual_seed(1)
    return import_module("torchaudio.models").wav2vec2_model(
        extractor_mode="group_norm",
        extractor_conv_layer_config=[(16, 10, 5), (16, 8, 8), (16, 8, 8)],
        extractor_conv_bias=False,
        encoder_embed_dim=16,
        encoder_projection_dropout=0.0,
        encoder_pos_conv_kernel=16,
        encoder_pos_conv_groups=4,
        encoder_num_layers=1,
        encoder_num_heads=2,
        encoder_attention_dropout=0.0,
        encoder_ff_interm_features=32,
        encoder_ff_interm_dropout=0.0,
        encoder_dropout=0.0,
        encoder_layer_norm_first=False,
        encoder_layer_drop=0.0,
        aux_num_out=labels,
    )
