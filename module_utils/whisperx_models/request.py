"""What an inventory asks for: `whisperx_models`, read and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..whisperx_problem import Problem

__all__ = ["KINDS", "Request", "read"]

KINDS = ("whisper", "align", "diarize")
# A name becomes a part of paths, of a repository's address and of lines of the lock.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,95})?")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}")


@dataclass(frozen=True)
class Request:
    """One model; ``revision`` "" is the newest, ``path`` a directory on the controller or ""."""

    kind: str
    name: str
    revision: str = ""
    path: str = ""

    @property
    def label(self) -> str:
        """The model for people."""
        return f"{self.kind} {self.name}"


def read(value: Any, host: str) -> tuple[Request, ...]:
    """Return the models that ``whisperx_models`` of a host lists, in their order, each once.

    Raises Problem "models.request".
    """
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise _wrong(f"whisperx_models is no list: {value!r:.80}", host)
    found: dict[str, Request] = {}
    for entry in value:
        one = _request(entry, host)
        if found.setdefault(one.label, one) != one:
            raise _wrong(f"{one.label} is listed twice, with different revisions or paths", host)
    return tuple(found.values())


def _request(entry: Any, host: str) -> Request:
    if not isinstance(entry, Mapping):
        raise _wrong(f"an entry is no mapping: {entry!r:.80}", host)
    kinds = [kind for kind in KINDS if entry.get(kind)]
    unknown = sorted(str(key) for key in entry if key not in (*KINDS, "revision", "path"))
    if len(kinds) != 1 or unknown:
        wrong = f"the unknown key {unknown[0]}" if unknown else f"{len(kinds)} of {', '.join(KINDS)}"
        raise _wrong(f"an entry has {wrong}: {dict(entry)!r:.120}", host)
    name, revision = str(entry[kinds[0]]), str(entry.get("revision") or "")
    path = str(entry.get("path") or "")
    if _NAME.fullmatch(name) is None or ".." in name:
        raise _wrong(f"{kinds[0]}: {name!r:.80} is no name of a model", host)
    if revision and (_REVISION.fullmatch(revision) is None or ".." in revision):
        raise _wrong(f"{kinds[0]} {name}: {revision!r:.80} is no revision", host)
    return Request(kinds[0], name, revision, path)


def _wrong(found: str, host: str) -> Problem:
    return Problem(
        "models.request",
        found,
        f"whisperx_models of {host}",
        "entries such as {whisper: large-v3}, {align: en} or {diarize: OWNER/NAME}, with revision and path",
        "Correct the inventory.",
    )
