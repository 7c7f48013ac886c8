"""Both sides: the names by which a store of models on a host, and the lock of models, are known."""

from __future__ import annotations

__all__ = ["LOCK", "MARKER"]

# locks/models.txt, beside the locks of the classes.
LOCK = "models"
# Says that a directory is a store of models of this toolkit.
MARKER = ".whisperx-fleet-models"
