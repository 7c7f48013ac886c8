"""Level speech: a placed Whisper model hears a spoken sentence, and its words are compared with ours.

The model is asked for by its name, as users do, with every connection refused: that also shows that the
programs of this environment find placed models. The smallest one is taken, for it says as much as the
largest; of all others the file is looked at.
"""

from __future__ import annotations

import os
import re
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Callable, List

from .kernels import threads
from .model_file import inspect, newest_version
from .pipeline import compute_type
from .reporter import Reporter
from .spoken import LANGUAGE, WORDS, write

__all__ = ["check", "word_errors"]

# What finds placed models, in the environment itself.
FINDER = "whisperx_fleet_models"
# Of the words, this many in a hundred may be others: Whisper tiny and base have none or one of 13.
TOLERANCE = 34
# The steps without which none is tried.
NEEDED = ("import ctranslate2", "import faster_whisper")
# Repositories that the toolkit made up, for models of the site.
OF_THE_SITE = "whisperx-fleet/"


def check(reporter: Reporter, device: str, scratch: str, required: bool) -> None:
    """Look at every placed Whisper model and let one transcribe.

    ``required``: whether it fails where no model is placed for the sentence's language, or none can be found.
    """
    models, missing = _models()
    if models or required:
        reporter.level("speech")
    for model in models:
        reporter.step("speech file " + model.name, _looker(model))
    fit = [model for model in models if model.language in ("", LANGUAGE)]
    if not missing and not fit:
        missing = "no Whisper model that knows English is placed on this host; list one in whisperx_models"
    if missing:
        if required:
            reporter.step("speech", _refusal(missing))
        return
    # What the site made itself may know other words, so that its errors are no fault of the environment.
    fit.sort(key=lambda model: (_of_the_site(model), model.language == "", sum(model.files.values())))
    model = next((model for model in fit if reporter.results.get("speech file " + model.name)), None)
    if model is not None and not reporter.blocked("speech " + model.name, *NEEDED):
        optional = _of_the_site(model) and not required
        reporter.step("speech " + model.name, _hearer(model.name, device, scratch), optional)


def _models() -> Any:
    """Return the placed Whisper models, and why none can be used, "" if they can."""
    if find_spec("faster_whisper") is None:
        return [], "faster-whisper is not installed in this environment"
    if find_spec(FINDER) is None:
        return [], "this environment was built before placed models could be found; run site.yml"
    return import_module(FINDER + ".lookup").listed("whisper"), ""


def _of_the_site(model: Any) -> bool:
    return any(name.startswith(OF_THE_SITE) for name in model.names)


def _refusal(text: str) -> Callable[[], str]:
    def refuse() -> str:
        raise LookupError(text)

    return refuse


def _looker(model: Any) -> Callable[[], str]:
    def look() -> str:
        for name, size in model.files.items():
            path = os.path.join(model.path, name)
            found = os.stat(path).st_size
            if found != size:
                words = "is cut off" if found < size else "is another file"
                raise ValueError(f"{path} {words}: {found} bytes, placed were {size}")
        return inspect(os.path.join(model.path, "model.bin"), newest_version())

    return look


def _hearer(name: str, device: str, scratch: str) -> Callable[[], str]:
    def hear() -> str:
        sound = write(os.path.join(scratch, "sentence.wav"))
        kind = compute_type(device)
        whisper = import_module("faster_whisper").WhisperModel(
            name, device=device, compute_type=kind, cpu_threads=threads()
        )
        segments, _info = whisper.transcribe(sound, language=LANGUAGE, temperature=0.0, vad_filter=False)
        heard = " ".join(segment.text.strip() for segment in segments)
        errors, words = word_errors(heard), len(_words(WORDS))
        if errors * 100 > words * TOLERANCE:
            raise ArithmeticError(f"{errors} of {words} words are wrong: heard {heard!r}, said was {WORDS!r}")
        return f"{kind}: {words - errors} of {words} words"

    return hear


def word_errors(heard: str) -> int:
    """Return how many words have to be changed, added or removed to make the sentence of what was heard."""
    wanted, found = _words(WORDS), _words(heard)
    row = list(range(len(found) + 1))
    for number, word in enumerate(wanted, 1):
        before, row[0] = row[0], number
        for place, other in enumerate(found, 1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (word != other))
    return row[-1]


def _words(text: str) -> List[str]:
    return re.findall(r"[a-z']+", text.lower())
