"""The three things a run can be asked for: an environment, the one before, none."""

from __future__ import annotations

from ..whisperx_release import engine
from ..whisperx_release.hooks import Hooks
from ..whisperx_release.model import Layout, Outcome
from .model import Options, Wanted
from .venv import Venv

__all__ = ["absent", "present", "rolled_back"]


def present(layout: Layout, wanted: Wanted, options: Options, hooks: Hooks, check: bool) -> Outcome:
    """Make the wanted environment the active one; see `engine.present`. Raises Problem."""
    return engine.present(layout, Venv(layout, options, hooks, wanted), hooks, check)


def rolled_back(layout: Layout, release: str, options: Options, hooks: Hooks, check: bool) -> Outcome:
    """Go back to the previous release, or to the one named; see `engine.rolled_back`. Raises Problem."""
    venv = Venv(layout, options, hooks)
    return engine.rolled_back(layout, release, lambda target: venv, hooks, check)


def absent(layout: Layout, options: Options, hooks: Hooks, check: bool) -> Outcome:
    """Remove everything this toolkit put on the host; see `engine.absent`. Raises Problem."""
    return engine.absent(layout, [Venv(layout, options, hooks)], hooks, check)
