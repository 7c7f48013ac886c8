"""What follows the active release without being part of it: services. The engine knows no more of them.

A follower adds its steps after the switch and before anything is pruned, so that the release before is still
there when one of them fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Mapping, Sequence, Tuple

from .model import Layout, State, Step

__all__ = ["Followed", "Followers"]


@dataclass(frozen=True)
class Followed:
    """The release that will be active: its commands, its device, what it runs in.

    ``moves``: whether another one is active now. ``back``: whether it is gone back to, without a plan.
    """

    release: str
    commands: Tuple[str, ...]
    device: str
    runtime: str = "venv"
    moves: bool = False
    back: bool = False


class Followers:
    """None at all. All methods may raise Problem."""

    def present(self, layout: Layout, state: State, followed: Followed) -> Sequence[Step]:
        """Return the steps after the switch to a release; validates before anything is changed."""
        return ()

    def absent(self, layout: Layout, state: State) -> Sequence[Step]:
        """Return the steps of a removal, before anything else goes."""
        return ()

    def notes(self) -> Sequence[str]:
        """Return what the user has to read of the last decision."""
        return ()

    def deeds(self) -> Mapping[str, Callable[..., None]]:
        """Return what its steps do."""
        return {}
