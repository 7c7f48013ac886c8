"""Both sides: what an engine knows a stack of image layers by.

Source: the OCI image specification, "Layer ChainID".
"""

from __future__ import annotations

import hashlib
from typing import List, Sequence

__all__ = ["chains"]


def chains(layers: Sequence[str]) -> List[str]:
    """Return for each of ``layers`` (digests, lowest first) the digest of it together with all below it."""
    found: List[str] = []
    for layer in layers:
        text = "{} {}".format(found[-1], layer) if found else ""
        found.append("sha256:" + hashlib.sha256(text.encode()).hexdigest() if found else layer)
    return found
