"""Controller: what a module that runs there notes of its progress, displayed meanwhile."""

from __future__ import annotations

import contextlib
import json
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from ansible.utils.display import Display

from .transfer import TELL_EVERY_S

__all__ = ["told"]

_LOOK_EVERY_S = 0.5


@contextlib.contextmanager
def told() -> Iterator[str]:
    """Display what is noted in a file until the block ends; yield its path, the module's ``progress``."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "progress.json"
        over = threading.Event()
        teller = threading.Thread(target=_tell, args=(path, over), daemon=True)
        teller.start()
        try:
            yield str(path)
        finally:
            over.set()
            teller.join()


def _tell(path: Path, over: threading.Event) -> None:
    """Display what the file at ``path`` says: its first line at once, then now and again how far it is."""
    said, waited, last = "", TELL_EVERY_S, False
    while not last:
        last = over.wait(_LOOK_EVERY_S)
        waited += _LOOK_EVERY_S
        try:
            state = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        line = state["line"] if said else state.get("first", state["line"])
        if line and line != said and (waited >= TELL_EVERY_S or last):
            said, waited = line, 0.0
            Display().display(line)
