"""Back to the release that was active when a run began: what did follow it does not work with the new one."""

from __future__ import annotations

import os

from ..whisperx_common.files import discard, link, make_way
from . import outside
from .runtime import Run

__all__ = ["switch_back"]


def switch_back(run: Run) -> str:
    """Let `current`, `previous`, commands and fact file be as they were; return the release's name.

    "" where there is none to go back to: the first one, one that was damaged, or no other than the new one. A
    rollback is never undone: it was asked for because the other release does not serve.
    """
    layout, state = run.layout, run.before
    release = state.get(state.current)
    again = release is not None and release.name != run.decision.release
    if release is None or not again or not run.activates or release.name in run.decision.damaged:
        return ""
    make_way(layout.current)
    link(layout.current, os.path.join("releases", release.name))
    run.hooks.emit("back:current")
    if state.previous:
        make_way(layout.previous)
        link(layout.previous, os.path.join("releases", state.previous))
    else:
        discard(layout.previous)
    for name in outside.ours(layout):
        if name not in release.scripts:
            discard(layout.command(name))
    for name in outside.wrong_commands(layout, release.scripts):
        outside.write_command(layout, name)
    if layout.fact:
        outside.write_fact(layout, release.record or {})
    return release.name
