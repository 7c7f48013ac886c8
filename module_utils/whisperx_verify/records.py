"""The plain data that the runner, the supervisor and the probe exchange."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

__all__ = ["LEVELS", "NOT_TRIED", "USUAL", "Check", "Module", "Request"]

# Each level includes those before it.
LEVELS = ("import", "kernels", "pipeline", "speech")
# What is asked without a word: speech too, where a Whisper model for the sentence is placed.
USUAL = "pipeline"
# How the error of a check begins that was not tried because of another.
NOT_TRIED = "not tried, because"


class Module(NamedTuple):
    """One package to import: distribution name, module name, and whether its failure is only a warning."""

    package: str
    module: str
    optional: bool = False


class Request(NamedTuple):
    """What to prove: how far, on which device ("cpu" or "cuda"), and which packages are in the set."""

    level: str
    device: str
    imports: Tuple[Module, ...] = ()

    def record(self) -> Dict[str, Any]:
        """Return the request as JSON-able data; ``read`` takes it back."""
        return {
            "level": self.level,
            "device": self.device,
            "imports": [item._asdict() for item in self.imports],
        }

    @staticmethod
    def read(record: Dict[str, Any]) -> Request:
        """Return the request in ``record``; ValueError names what is wrong with it."""
        level, device = record.get("level", USUAL), record.get("device", "cpu")
        if level not in LEVELS:
            raise ValueError("level {!r} is none of {}".format(level, ", ".join(LEVELS)))
        if device not in ("cpu", "cuda"):
            raise ValueError(f"device {device!r} is neither cpu nor cuda")
        imports = []
        for item in record.get("imports") or []:
            if not isinstance(item, dict) or not item.get("module"):
                raise ValueError(f"import {item!r} has no module name")
            package = item.get("package") or item["module"]
            imports.append(Module(package, item["module"], bool(item.get("optional"))))
        return Request(level, device, tuple(imports))


class Check(NamedTuple):
    """One thing that was tried.

    ``detail`` is what was seen when it went well, or where it was when it did not; ``error`` is the last
    line of the exception or of the output, untouched; ``signal`` the signal that ended the process in the
    middle of this check.
    """

    name: str
    ok: bool
    seconds: float = 0.0
    detail: str = ""
    error: str = ""
    signal: Optional[str] = None
    optional: bool = False

    def record(self) -> Dict[str, Any]:
        """Return the check as JSON-able data."""
        return dict(self._asdict())

    def consequence(self) -> bool:
        """Return whether this failed only because something else did."""
        return not self.ok and self.error.startswith(NOT_TRIED)

    def sentence(self) -> str:
        """Return what is wrong as one line, or what was seen where nothing is."""
        if self.ok:
            return "{}: {}".format(self.name, self.detail or "well")
        if self.consequence():
            return f"{self.name} was {self.error}"
        parts: List[str] = [self.name]
        if self.signal:
            parts.append(f"died of {self.signal}")
        else:
            parts.append("failed")
        if self.detail:
            parts.append(f"({self.detail})")
        return " ".join(parts) + (f": {self.error}" if self.error else "")

    def line(self) -> str:
        """Return the check as a line of a table: mark, time, sentence."""
        mark = "ok  " if self.ok else ("warn" if self.optional else "FAIL")
        return f"{mark} {self.seconds:6.1f} s  {self.sentence()}"
