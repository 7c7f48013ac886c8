"""Both sides: the names by which a store of models on a host, and the lock of models, are known."""

from __future__ import annotations

import os
from typing import Sequence

__all__ = ["LOCK", "MANIFEST", "MARKER", "STORE", "USUAL", "active"]

# Where placed models are if nothing else is said.
USUAL = "/opt/whisperx/models"
# The variable by which commands look elsewhere.
STORE = "WHISPERX_MODELS_DIR"
# In a set of models, written last.
MANIFEST = "manifest.json"

# locks/models.txt, beside the locks of the classes.
LOCK = "models"
# Says that a directory is a store of models of this toolkit.
MARKER = ".whisperx-fleet-models"


def active(stores: Sequence[str]) -> str:
    """Return the name of the active set of models, of the first of these stores that has one; "" for none.

    The name is a digest of all that is in it.
    """
    for store in stores:
        current = os.path.realpath(os.path.join(store, "current"))
        if os.path.isfile(os.path.join(current, MANIFEST)):
            return os.path.basename(current)
    return ""
