"""A client of the Wyoming protocol, run by the release's own Python: prints what the server heard.

python service_client.py PORT FILE [WORD ...]        exit 1 unless each word was heard
"""

from __future__ import annotations

import asyncio
import re
import sys
import wave

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient


async def ask(uri: str, path: str) -> str:
    """Return the transcript; RuntimeError when the server closes without one."""
    with wave.open(path) as audio:
        format = {
            "rate": audio.getframerate(),
            "width": audio.getsampwidth(),
            "channels": audio.getnchannels(),
        }
        pcm = audio.readframes(audio.getnframes())
    async with AsyncClient.from_uri(uri) as client:
        await client.write_event(Transcribe(language="en").event())
        await client.write_event(AudioStart(**format).event())
        for start in range(0, len(pcm), 3200):
            await client.write_event(AudioChunk(audio=pcm[start : start + 3200], **format).event())
        await client.write_event(AudioStop().event())
        while event := await client.read_event():
            if Transcript.is_type(event.type):
                return Transcript.from_event(event).text
    raise RuntimeError("closed without transcript")


def main() -> int:
    """Ask once."""
    port, path, *wanted = sys.argv[1:]
    heard = asyncio.run(ask(f"tcp://127.0.0.1:{port}", path))
    print(heard)
    missing = set(wanted) - set(re.findall(r"[a-z]+", heard.lower()))
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
