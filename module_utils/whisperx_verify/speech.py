"""A few seconds of generated sound that a voice activity detector takes for speech.

The source-filter model of a voice: the harmonics of a wandering pitch, weighted by the resonances of a vowel,
switched by syllables. Vowel formants are the averages of Peterson and Barney (1952). Needs numpy.
"""

from __future__ import annotations

import wave
from importlib import import_module
from typing import Any

__all__ = ["SECONDS", "make_speech", "write_speech"]

SECONDS = 6.0
# Samples per second of the file: not the 16000 that Whisper wants, so that reading it really resamples.
RATE = 24000
SYLLABLES_PER_SECOND = 4.0
# centre frequencies of the first three resonances in Hz, and their widths
VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (570, 840, 2410), (530, 1840, 2480), (300, 870, 2240))
WIDTHS = (80, 100, 150)
HARMONICS = 30


def write_speech(path: str) -> str:
    """Write the sound as 16-bit mono WAV to ``path`` and return it; the same samples on every machine."""
    samples = make_speech(RATE)
    with wave.open(path, "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(RATE)
        stream.writeframes((samples * 20000).astype("<i2").tobytes())
    return path


def make_speech(rate: int) -> Any:
    """Return the sound at ``rate`` samples per second, as float32 from -1 to 1; both ends are silent."""
    numpy: Any = import_module("numpy")

    random = numpy.random.RandomState(7)
    time = numpy.arange(int(SECONDS * rate)) / rate
    pitch = 125 + 18 * numpy.sin(2 * numpy.pi * 0.6 * time) + 3 * numpy.sin(2 * numpy.pi * 5.3 * time)
    phase = 2 * numpy.pi * numpy.cumsum(pitch) / rate
    syllable = (time * SYLLABLES_PER_SECOND).astype(int)
    vowel = random.randint(0, len(VOWELS), syllable[-1] + 1)[syllable]
    formants = numpy.array(VOWELS, float)[vowel]
    voice = numpy.zeros_like(time)
    for harmonic in range(1, HARMONICS + 1):
        frequency = harmonic * pitch
        gain = sum(
            1.0 / (1.0 + ((frequency - formants[:, index]) / width) ** 2)
            for index, width in enumerate(WIDTHS)
        )
        voice += (gain + 0.02) / harmonic**0.5 * numpy.sin(harmonic * phase)
    within = (time * SYLLABLES_PER_SECOND) % 1.0
    envelope = numpy.sin(numpy.pi * numpy.clip(within * 1.15, 0, 1)) ** 0.7
    hiss = random.normal(0, 0.08, time.size) * (within < 0.12)
    sound = voice / numpy.abs(voice).max() * envelope + hiss
    sound *= (time > 0.5) & (time < SECONDS - 0.5)
    sound += random.normal(0, 0.0005, time.size)
    return numpy.clip(sound, -1, 1).astype(numpy.float32)
