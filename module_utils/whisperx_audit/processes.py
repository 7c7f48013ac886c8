"""Programs that still run an older release than the active one: a daemon that nobody restarted, a job."""

from __future__ import annotations

from typing import Iterator

from ..whisperx_release import uses
from ..whisperx_release.model import Layout, State
from .model import DRIFTED, Item

__all__ = ["older"]


def older(layout: Layout, state: State) -> Iterator[Item]:
    """Yield each process that runs another release than the active one, whoever started it."""
    for process, release in uses.older(layout, state):
        told = "{} runs {}, not {}: restart it".format(process.sentence, release, state.current)
        how = "systemctl restart {}".format(process.unit) if process.unit else "stop it and start it again"
        remedy = "Restart it: {}.".format(how)
        yield Item("audit.process", DRIFTED, "process", told, remedy, (str(process.pid),))
