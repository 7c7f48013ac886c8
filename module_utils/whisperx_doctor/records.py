"""The plain records that the steps of the doctor hand on, each JSON-able."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from ..whisperx_common.conditions import FIT, UNFIT, UNKNOWN

__all__ = ["EXIT_CODES", "Asked", "Environment", "Evidence", "Found", "Patient", "Symptom"]

# What the command exits with, and the module returns as exit_code.
EXIT_CODES = {FIT: 0, UNFIT: 1, UNKNOWN: 2}


class Asked(NamedTuple):
    """What is asked of every environment.

    ``level``: import, kernels, pipeline, or audit, which runs nothing. ``device``: auto, cpu, cuda.
    ``timeout``: seconds a level may take. ``variables``: set for the interpreter, as a service's would be.
    ``root``: where the system is mounted. ``host``, ``inventory``: for the commands that are named.
    """

    level: str = "pipeline"
    device: str = "auto"
    timeout: float = 600.0
    variables: Mapping[str, str] = {}
    root: str = "/"
    host: str = ""
    inventory: str = ""


@dataclass(frozen=True)
class Environment:
    """One Python environment. ``kind``: managed, release, venv, conda, interpreter, packages or tree.

    ``python`` is the command that starts its interpreter, () where there is none to start. ``sites`` are its
    package directories, in the order in which Python looks, ``own`` those that are not the machine's.
    ``imports``, ``device``, ``variables``, ``sonames`` and ``loader_paths`` are what the record of a managed
    release says, else None or empty. ``contained`` is what the record of a release in a container says beside
    that: engine, versions, and the base's facts; None for any other. ``interpreter`` is the real program,
    where it is known; ``pythonpath`` has to be set for it; ``trouble`` is what was wrong on the way here.
    """

    path: str
    kind: str
    python: Tuple[str, ...] = ()
    sites: Tuple[str, ...] = ()
    own: Tuple[str, ...] = ()
    version: str = ""
    imports: Optional[Tuple[Mapping[str, Any], ...]] = None
    device: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    sonames: Mapping[str, Any] = field(default_factory=dict)
    loader_paths: Tuple[str, ...] = ()
    interpreter: str = ""
    pythonpath: str = ""
    trouble: str = ""
    contained: Optional[Mapping[str, Any]] = None


@dataclass(frozen=True)
class Symptom:
    """One thing that is wrong, seen while running or in the files.

    ``kind``: "check" (``name`` is the check), "audit" (``name`` is the rule), "files" (``name`` is missing,
    changed or shared), "log" (text that the user gave), "place" (the caller's session; ``name`` is the kind
    of its condition) or "start". ``text`` is what was said, ``where`` the file; ``minor`` what WhisperX works
    without.
    """

    kind: str
    name: str
    text: str
    where: str = ""
    signal: str = ""
    minor: bool = False

    def line(self, said: str = "") -> str:
        """Return the symptom as one line of evidence; ``said`` is the telling line of its text."""
        words = said or self.text.strip().partition("\n")[0]
        parts = [f"died of {self.signal}" if self.signal else "", words]
        parts.append(f"[{self.where}]" if self.where and self.where not in words else "")
        return f"{self.name}: " + " ".join(part for part in parts if part)


@dataclass(frozen=True)
class Patient:
    """An environment with all that was found out about it; what the rows are asked against.

    ``ran``: "ok", "failed", or "none" where nothing could be run.
    """

    environment: Environment
    packages: Mapping[str, str]
    facts: Mapping[str, Any]
    device: str
    symptoms: Tuple[Symptom, ...] = ()
    ran: str = "none"


@dataclass(frozen=True)
class Evidence:
    """Why a row was named: the symptom or fact, and where it was read."""

    kind: str
    text: str


@dataclass(frozen=True)
class Found:
    """One named failure. ``row`` is the row's record; ``symptoms`` are the numbers of those it explains."""

    row: Mapping[str, Any]
    evidence: Tuple[Evidence, ...]
    symptoms: Tuple[int, ...] = ()
    decides: bool = True

    def record(self, applies: str, commands: List[Dict[str, str]]) -> Dict[str, Any]:
        """Return it as JSON-able data; ``applies`` and ``commands`` tell what the toolkit can do about it."""
        return {
            "id": self.row["id"],
            "field": self.row.get("field", ""),
            "sentence": self.row["sentence"],
            "decides": self.decides,
            "evidence": [{"kind": item.kind, "text": item.text} for item in self.evidence],
            "cure": self.row["cure"],
            "toolkit": {"applies": applies, "actions": self.row["toolkit"], "commands": commands},
            "source": self.row["source"],
            "confidence": self.row["confidence"],
        }
