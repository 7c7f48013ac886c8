"""Transcribe speech.wav with Whisper tiny.en; print what was heard, and which files heard it."""

import json
import os

from faster_whisper import WhisperModel
from faster_whisper.utils import download_model

NAME = "tiny.en"
STORE = "/opt/whisperx/models"

place = download_model(NAME)
model = WhisperModel(NAME, device="cpu", compute_type="int8")
segments, _ = model.transcribe("speech.wav", language="en", word_timestamps=True)
words = [word for segment in segments for word in segment.words]
print(
    json.dumps(
        {
            "text": "".join(word.word for word in words),
            "times": [[word.start, word.end] for word in words],
            "revision": os.path.basename(place),
            "mounted": os.path.ismount(STORE),
            "read_only": bool(os.statvfs(place).f_flag & os.ST_RDONLY),
        }
    )
)
