"""How device code of a wheel or build runs on a GPU: as machine code, or compiled from PTX by the driver."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from ...whisperx_catalogue.release import Abi
from ...whisperx_common.versions import Numbers

__all__ = ["Code", "code_of"]


@dataclass(frozen=True)
class Code:
    """Device code. ``isa``: the PTX version that the driver must compile, None if unknown."""

    sass: tuple[str, ...]
    ptx: tuple[str, ...]
    isa: Numbers | None

    def runs(self, capability: Numbers | None) -> str | None:
        """Return how it runs on a GPU: "sass" where there is machine code for it, "ptx" where the driver must
        compile, else None.
        """
        if capability is None:
            return None
        for text in self.sass:
            built, exact = _capability(text)
            if built == capability or (not exact and built[0] == capability[0] and built <= capability):
                return "sass"
        for text in self.ptx:
            built, exact = _capability(text)
            if built == capability or (not exact and built <= capability):
                return "ptx"
        return None


def code_of(abi: Abi) -> Code:
    """Return the device code that was measured in a wheel."""
    return Code(abi.sass, abi.ptx, abi.ptx_isa)


@cache
def _capability(text: str) -> tuple[Numbers, bool]:
    """Return ("9.0a") -> ((9, 0), True): the flag says that the code is for exactly this chip."""
    exact = text[-1:] in ("a", "f")
    major, _separator, minor = text.rstrip("af").partition(".")
    return (int(major), int(minor or 0)), exact
