"""What the services of a managed environment logged before they stopped working, as words to be matched."""

from __future__ import annotations

import os
from typing import List

from ..whisperx_release.model import Layout
from ..whisperx_service import records
from ..whisperx_service.systemd import Systemd
from .records import Symptom

__all__ = ["logged"]

_LINES = 200


def logged(path: str, systemd: Systemd) -> List[Symptom]:
    """Return systemd's state and the last lines of each service of the root at ``path`` that is not well."""
    if not systemd.is_there():
        return []
    found = []
    for record in records.all_of(Layout(os.path.normpath(path), "", "")).values():
        if record.get("dropped"):
            continue
        shown = systemd.show(record["units"])
        for unit in record["units"]:
            state = shown.get(unit, {})
            if state.get("ActiveState") == "active" and record.get("healthy"):
                continue
            told = "{} is {} ({})".format(
                unit, state.get("ActiveState", "unknown"), state.get("Result", "unknown")
            )
            text = "\n".join([told, *systemd.journal(unit, _LINES)])
            found.append(Symptom("log", unit, text, "journalctl --unit=" + unit, minor=True))
    return found
