"""Serve two revisions of Whisper tiny.en as the Hugging Face hub does, and speak a sentence.

python hub.py DIRECTORY SENTENCE

DIRECTORY gets speech.wav; `first` and `moved`, the names of the revisions, of which the first is main and the
second has another config.json; `size`, the bytes of the first; `url`, the address; `sent`, how many bytes of
each file were given out, and how many requests there were. Ends when DIRECTORY is gone.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from tests.models import weights  # noqa: E402
from tests.models.hub import Hub  # noqa: E402
from tests.models.spoken import speak  # noqa: E402

NAME = "Systran/faster-whisper-tiny.en"

directory = Path(sys.argv[1])
directory.mkdir(parents=True, exist_ok=True)
speak(directory / "speech.wav", sys.argv[2])
files = {path.name: path for path in weights.tiny_en().iterdir()}
with Hub() as hub:
    other = files["config.json"].read_bytes() + b"\n"
    (directory / "moved").write_text(hub.add(NAME, files | {"config.json": other}))
    (directory / "first").write_text(hub.add(NAME, files))
    (directory / "size").write_text(str(sum(path.stat().st_size for path in files.values())))
    (directory / "url").write_text(hub.endpoint)
    while directory.exists():
        sent = {path.rpartition("/")[2]: size for path, size in hub.sent.items()}
        # Whole or not at all: it is read meanwhile.
        (directory / "sent.new").write_text(json.dumps({"requests": len(hub.requests), "bytes": sent}))
        (directory / "sent.new").rename(directory / "sent")
        time.sleep(0.2)
