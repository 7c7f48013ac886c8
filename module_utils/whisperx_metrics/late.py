"""Metrics for a module that only looks: on a host that has none, the rest of the package stays unloaded."""

from __future__ import annotations

import os
from typing import Optional

from ..whisperx_release.followers import Followers, Late
from ..whisperx_release.model import SERVICES, Layout

__all__ = ["watch"]


def watch(directory: Optional[str]) -> Followers:
    """Return the metrics in ``directory``, as in `watch.Watch`. They only decide."""

    def concerns(layout: Layout) -> bool:
        return bool(directory) or os.path.lexists(layout.path(SERVICES, "metrics", "directory"))

    def load() -> Followers:
        from .watch import Watch

        return Watch(directory)

    return Late(concerns, load)
