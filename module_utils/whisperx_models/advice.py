"""What a user should know before models are installed: on whose terms they are, whether they fit the GPU."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..whisperx_common.shape import fitted
from .request import Request
from .rows import Rows
from .source import Source, read

__all__ = ["foreseen", "licences", "memory"]

# In the order in which they are tried: as faster-whisper computes on a GPU, then with the least memory.
_TYPES = ("float16", "int8")


def licences(rows: Rows, sources: Iterable[str]) -> list[str]:
    """Return a sentence for each source whose terms a user has to know."""
    found = []
    for word in sorted(set(sources)):
        source = read(word)
        row = rows.licence_of(str(Source(source.origin, source.name)))
        if row and row.get("refused"):
            found.append(
                f"{source.name}: {row['licence']}, which does not allow {row['refused']} ({row['source']})"
            )
        elif row and row.get("gated") and not source.local:
            found.append(
                f"{source.name}: {row['licence']}; its terms are {row['gated']}'s, and the account of "
                f"whisperx_models_token has to accept them ({row['source']})"
            )
    return found


def foreseen(rows: Rows, requests: Iterable[Request]) -> list[str]:
    """Return such sentences for models that are not locked yet, as far as their names say it."""
    found, sources = [], set()
    for request in requests:
        row = next((one for one in rows.licences if request.name in one.get("languages", ())), None)
        if request.kind == "align" and row is not None and not request.path:
            found.append(
                f"{request.label}: {row['licence']}, which does not allow {row['refused']} ({row['source']})"
            )
        elif "/" in request.name and not request.path:
            sources.add(str(Source("hub", request.name)))
    return [*found, *licences(rows, sources)]


def memory(rows: Rows, requests: Sequence[Request], names: Mapping[str, str], gpus: Any) -> list[str]:
    """Return a sentence for each Whisper model about the largest GPU of a host that is used.

    ``names``: name to repository. Without a GPU, or a known size of its memory, there is nothing to say.
    """
    known = fitted(gpus, [{"memory_mib": 0}])
    sizes = [int(gpu["memory_mib"]) for gpu in known if gpu.get("memory_mib")]
    if not sizes:
        return []
    room, found = max(sizes) * 1.048576, []
    for request in requests:
        row = rows.memory_of(names.get(request.name, request.name)) if request.kind == "whisper" else None
        if row is None:
            continue
        fits = [one for one in _TYPES if one in row and row[one] <= room]
        needs = ", ".join(f"{one} {row[one]} MB" for one in _TYPES if one in row)
        if not fits:
            found.append(
                f"{request.label} does not fit the GPU's {room:.0f} MB: it takes {needs} ({row['source']}); "
                "choose a smaller model"
            )
        elif fits[0] != _TYPES[0]:
            found.append(
                f"{request.label} fits the GPU's {room:.0f} MB with --compute_type {fits[0]} only: "
                f"it takes {needs} ({row['source']})"
            )
        else:
            found.append(f"{request.label} fits the GPU's {room:.0f} MB with {' and '.join(fits)}: {needs}")
    return found
