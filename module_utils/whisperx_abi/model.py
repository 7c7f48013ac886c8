"""The records of an audit: what is asked, of which host, and what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

__all__ = ["Audit", "Finding", "Host", "Use"]


@dataclass(frozen=True)
class Finding:
    """One object that will not load here. ``file`` is relative to the audited directory."""

    rule: str
    file: str
    found: str
    wanted: str
    remedy: str


@dataclass(frozen=True)
class Audit:
    """``objects`` ELF files were read; ``findings`` in the order of file and rule.

    ``notes`` are weaker: they tell what may fail, depending on what a program does first.
    """

    objects: int
    findings: Tuple[Finding, ...]
    notes: Tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Host:
    """What the objects have to fit. ``glibc`` "2.41", or None where the C library is another one."""

    glibc: Optional[str]
    machine: str
    execstack_refused: bool


@dataclass(frozen=True)
class Use:
    """How an environment is used on its host, for the rules on libraries and symbols.

    ``path``: directories of LD_LIBRARY_PATH; ``opens``: libraries that are opened by name at run time;
    ``optional``: patterns of libraries nobody has to bring, None where that is not known (then a missing one
    is a note only); ``interpreter``: the program that loads the objects, "" when not known; ``system``: root
    directory of the host's own libraries; ``deep``: look at every symbol as well, which costs some hundred
    milliseconds and, for a moment, memory for the largest symbol table.
    """

    path: Tuple[str, ...] = ()
    opens: Tuple[str, ...] = ()
    optional: Optional[Tuple[str, ...]] = None
    interpreter: str = ""
    system: str = "/"
    deep: bool = False
