"""Where a model comes from, in one word: `hub:OWNER/NAME#PART`, `torchaudio:BUNDLE`, `nltk:FOLDER`.

With `path:` before it, the files come from a directory of the controller; the rest says where they go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..whisperx_models_host.model import hub_folder

__all__ = ["HOUSE", "Source", "read"]

# The owner of what no hub knows.
HOUSE = "whisperx-fleet"


@dataclass(frozen=True)
class Source:
    """``origin``: hub, torchaudio or nltk; ``part``: which of its files; ``local``: of a directory."""

    origin: str
    name: str
    part: str = ""
    local: bool = False

    def __str__(self) -> str:
        part = f"#{self.part}" if self.part else ""
        return f"{'path:' if self.local else ''}{self.origin}:{self.name}{part}"

    @property
    def repository(self) -> str | None:
        """The repository, None for what no hub has."""
        return self.name if self.origin == "hub" else None

    def base(self, revision: str) -> str:
        """Return the folder in a set that the files lie in."""
        if self.origin == "hub":
            return f"hub/{hub_folder(self.name)}/snapshots/{revision}"
        return "torch/hub/checkpoints" if self.origin == "torchaudio" else f"nltk/tokenizers/{self.name}"

    def place(self, revision: str, files: Sequence[str]) -> str:
        """Return the path of the model itself in a set: a folder, or its one file."""
        base = self.base(revision)
        return f"{base}/{files[0]}" if self.origin == "torchaudio" and files else base


def read(text: str) -> Source:
    """Return the source that a word stands for."""
    local = text.startswith("path:")
    origin, _separator, rest = text.removeprefix("path:").partition(":")
    name, _separator, part = rest.partition("#")
    return Source(origin, name, part, local)
