"""Changing the head of a packed stream: whatever it unpacks to is right, or it is declined."""

from __future__ import annotations

import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from module_utils.whisperx_abi.deflate import replace_head

_NOISE = random.Random(7)
MIXED = b"".join(
    _NOISE.randbytes(3000) + b"the same words again and again " * 200 + bytes(range(256)) * 4
    for _ in range(60)
)


def pack(data: bytes, level: int = 6, strategy: int = zlib.Z_DEFAULT_STRATEGY) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -15, 8, strategy)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize("level", [1, 6, 9])
@pytest.mark.parametrize("strategy", [zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY, zlib.Z_FIXED, zlib.Z_RLE])
@pytest.mark.parametrize("place", [0, 68, 4095, 65536])
def test_the_rest_is_copied_and_the_whole_unpacks(level: int, strategy: int, place: int) -> None:
    fresh = bytearray(MIXED)
    fresh[place] ^= 1
    packed = pack(MIXED, level, strategy)
    made = replace_head(packed, bytes(fresh), place + 1)
    if made is None:
        assert strategy == zlib.Z_FIXED, "only a stream that is one block may be declined"
        return
    assert zlib.decompress(made, -15) == fresh
    assert made[-1000:] == packed[-1000:]
    assert len(made) < len(packed) + place + 200_000


def test_stored_blocks_in_the_rest_stay_aligned() -> None:
    noise = random.Random(1).randbytes(400_000)
    data = b"some text that packs well " * 8000 + noise + b"and more of it " * 9000
    fresh = b"X" + data[1:]
    made = replace_head(pack(data), fresh, 1)
    assert made is not None and zlib.decompress(made, -15) == fresh


def test_what_cannot_be_done_is_declined() -> None:
    short = b"short" * 10
    assert replace_head(pack(short), b"S" + short[1:], 1) is None
    text = b"only seven-bit text, which has nothing to align with. " * 40_000
    made = replace_head(pack(text), b"O" + text[1:], 1)
    assert made is None or zlib.decompress(made, -15) == b"O" + text[1:]
    assert replace_head(pack(MIXED), MIXED, len(MIXED)) is None
    assert replace_head(b"", MIXED, 1) is None
    assert replace_head(b"\x07" * 50, MIXED, 1) is None


@settings(max_examples=150, deadline=None)
@given(
    cut=st.integers(0, 5000) | st.none(),
    edits=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=6),
)
def test_a_damaged_stream_is_declined_or_refused(cut: int | None, edits: list[tuple[int, int]]) -> None:
    packed = bytearray(pack(MIXED))
    for place, value in edits:
        packed[place] = value
    stream = bytes(packed[:cut])
    made = replace_head(stream, MIXED, 1)
    assert made is None or zlib.decompress(made, -15) == MIXED
