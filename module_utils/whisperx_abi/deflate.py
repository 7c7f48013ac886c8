"""Change bytes near the beginning of a deflated stream without a compressor.

Why: what a compressor makes of the same bytes differs between zlib and its replacements, so a wheel that is
compressed anew would get another digest on another controller. Here all but the beginning is copied bit by
bit.

How: the blocks before the first boundary that lies a whole window (32 KiB) behind the change are written as
stored blocks, and the rest follows as it was: nothing in it refers back to what was changed. Stored blocks
in the rest are aligned to bytes, so the rest must begin at the same bit of a byte as before; one block in
the fixed code, holding as many nine-bit literals as it takes, brings it there. Format: RFC 1951.
"""

from __future__ import annotations

import zlib
from typing import List, Optional, Sequence, Tuple

__all__ = ["replace_head"]

_WINDOW = 32768
_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
_LENGTH_EXTRA = (0,) * 8 + (1,) * 4 + (2,) * 4 + (3,) * 4 + (4,) * 4 + (5,) * 4 + (0,)
_DISTANCE_EXTRA = (0, 0, *(number // 2 for number in range(28)))
_FIXED_LENGTHS = (8,) * 144 + (9,) * 112 + (7,) * 24 + (8,) * 8


def _length_bases() -> Tuple[int, ...]:
    """The length that each length symbol begins at; the last is 258 alone."""
    found, length = [], 3
    for extra in _LENGTH_EXTRA[:-1]:
        found.append(length)
        length += 1 << extra
    return (*found, 258)


_LENGTH_BASE = _length_bases()

# For each value of the next bits: (length of the code, symbol).
_Table = Tuple[int, List[Tuple[int, int]]]


def replace_head(stream: bytes, data: bytes, changed_to: int) -> Optional[bytes]:
    """A raw deflate stream of ``data``, made from ``stream``, which differs only before ``changed_to``.

    None where that cannot be done (the change lies in the last blocks of a stream that is not short, or there
    are too few bytes to align with); the caller then stores the data. The result is verified.
    """
    try:
        found = _boundary(stream, changed_to + _WINDOW)
    except (IndexError, ValueError):
        return None
    if found is None:
        return None
    place, length = found
    tail_at = _tail_with(data[:length], (place - 10) % 8)
    if tail_at is None:
        return None
    head = bytearray()
    for start in range(0, tail_at, 65535):
        part = data[start : min(start + 65535, tail_at)]
        head += b"\0" + len(part).to_bytes(2, "little") + (len(part) ^ 0xFFFF).to_bytes(2, "little") + part
    bits, count = _fixed_block(data[tail_at:length])
    if count % 8:
        bits |= (stream[place // 8] >> (place % 8)) << count
        count += 8 - place % 8
        place += 8 - place % 8
    made = bytes(head) + bits.to_bytes(count // 8, "little") + stream[place // 8 :]
    try:
        return made if zlib.decompress(made, -15) == data else None
    except zlib.error:
        return None


def _tail_with(data: bytes, wanted: int) -> Optional[int]:
    """Where the shortest end of ``data`` begins that has ``wanted`` bytes of 144 or more."""
    place = len(data)
    while wanted and place:
        place -= 1
        wanted -= data[place] >= 144
    return None if wanted else place


def _fixed_block(data: bytes) -> Tuple[int, int]:
    """A block of literals in the fixed code: its bits as a number, the first lowest, and their count."""
    bits, count = 0b010, 3
    for value in data:
        width, code = (8, 0x30 + value) if value < 144 else (9, 0x190 + value - 144)
        bits |= _reversed(code, width) << count
        count += width
    return bits, count + 7


def _reversed(code: int, width: int) -> int:
    return int(format(code, f"0{width}b")[::-1], 2)


def _boundary(stream: bytes, least: int) -> Optional[Tuple[int, int]]:
    """The first end of a block, but the last, with ``least`` bytes before it: (bit of the stream, bytes)."""
    bits = _Bits(stream)
    length = 0
    while length < least:
        last, kind = bits.take(1), bits.take(2)
        if kind == 0:
            bits.place = (bits.place + 7) // 8 * 8
            size = bits.take(16)
            bits.take(16)
            bits.place += size * 8
            length += size
        elif kind == 3:
            raise ValueError("not a deflate stream")
        else:
            literals, distances = _codes(bits) if kind == 2 else (_table(_FIXED_LENGTHS), _table((5,) * 30))
            length += _block_length(bits, literals, distances)
        if last:
            return None
    return bits.place, length


class _Bits:
    """A stream read bit by bit, lowest first."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.place = 0

    def peek(self, count: int) -> int:
        """The next bits (at most 24), zeros behind the end."""
        at = self.place // 8
        return int.from_bytes(self._data[at : at + 4], "little") >> self.place % 8 & ((1 << count) - 1)

    def take(self, count: int) -> int:
        """The next bits; IndexError behind the end."""
        value = self.peek(count)
        self.place += count
        if self.place > len(self._data) * 8:
            raise IndexError("the stream is cut short")
        return value

    def symbol(self, table: _Table) -> int:
        """The next symbol of a code."""
        width, rows = table
        length, symbol = rows[self.peek(width)]
        if length == 0:
            raise ValueError("no such code")
        self.take(length)
        return symbol


def _table(lengths: Sequence[int]) -> _Table:
    """Lookup table of the canonical code with these code lengths."""
    width = max([1, *lengths])
    rows = [(0, 0)] * (1 << width)
    code = 0
    for length in range(1, width + 1):
        for symbol, mine in enumerate(lengths):
            if mine == length:
                if code >> length:
                    raise ValueError("more codes than fit")
                start = _reversed(code, length)
                for row in range(start, 1 << width, 1 << length):
                    rows[row] = (length, symbol)
                code += 1
        code <<= 1
    return width, rows


def _codes(bits: _Bits) -> Tuple[_Table, _Table]:
    """Read the two codes of a dynamic block."""
    literals, distances, orders = bits.take(5) + 257, bits.take(5) + 1, bits.take(4) + 4
    first = [0] * 19
    for name in _ORDER[:orders]:
        first[name] = bits.take(3)
    table = _table(first)
    lengths: List[int] = []
    while len(lengths) < literals + distances:
        symbol = bits.symbol(table)
        if symbol < 16:
            lengths.append(symbol)
        elif symbol == 16:
            lengths += [lengths[-1]] * (3 + bits.take(2))
        else:
            lengths += [0] * (3 + bits.take(3) if symbol == 17 else 11 + bits.take(7))
    return _table(lengths[:literals]), _table(lengths[literals : literals + distances])


def _block_length(bits: _Bits, literals: _Table, distances: _Table) -> int:
    """How many bytes a coded block unpacks to."""
    length = 0
    while True:
        symbol = bits.symbol(literals)
        if symbol < 256:
            length += 1
        elif symbol == 256:
            return length
        else:
            length += _LENGTH_BASE[symbol - 257] + bits.take(_LENGTH_EXTRA[symbol - 257])
            bits.take(_DISTANCE_EXTRA[bits.symbol(distances)])
