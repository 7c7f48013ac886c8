"""What follows the active release without being part of it: services. The engine knows no more of them.

A follower adds its steps after the switch and before anything is pruned, so that the release before is still
there when one of them fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Tuple

from .model import Layout, State, Step

__all__ = ["Followed", "Followers", "Late", "Several"]


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

    def status(self, layout: Layout) -> Sequence[Dict[str, Any]]:
        """Return what follows, one row each, as it is after the last decision was acted on."""
        return ()


class Several(Followers):
    """Some followers in one, in their order."""

    def __init__(self, followers: Sequence[Followers]) -> None:
        self.followers = followers

    def present(self, layout: Layout, state: State, followed: Followed) -> Sequence[Step]:
        """Return the steps of all of them."""
        return [step for one in self.followers for step in one.present(layout, state, followed)]

    def absent(self, layout: Layout, state: State) -> Sequence[Step]:
        """Return the steps of all of them, the last first."""
        return [step for one in reversed(self.followers) for step in one.absent(layout, state)]

    def notes(self) -> Sequence[str]:
        """Return the notes of all of them."""
        return [note for one in self.followers for note in one.notes()]

    def deeds(self) -> Mapping[str, Callable[..., None]]:
        """Return the deeds of all of them."""
        return {kind: deed for one in self.followers for kind, deed in one.deeds().items()}

    def status(self, layout: Layout) -> Sequence[Dict[str, Any]]:
        """Return the rows of all of them."""
        return [row for one in self.followers for row in one.status(layout)]


class Late(Followers):
    """Followers whose program is loaded only on a host that they concern.

    Most hosts have none, and a converged host is asked in every run. ``concerns``: whether anything of theirs
    is there or shall be, while the active release stays; ``load`` returns them.
    """

    def __init__(self, concerns: Callable[[Layout], bool], load: Callable[[], Followers]) -> None:
        self._concerns = concerns
        self._load = load
        self._loaded: Optional[Followers] = None

    def present(self, layout: Layout, state: State, followed: Followed) -> Sequence[Step]:
        """Return their steps, none where they concern nothing here."""
        if followed.moves or self._concerns(layout):
            return self._all().present(layout, state, followed)
        return ()

    def absent(self, layout: Layout, state: State) -> Sequence[Step]:
        """Return their steps of a removal."""
        return self._all().absent(layout, state)

    def notes(self) -> Sequence[str]:
        """Return their notes."""
        return self._loaded.notes() if self._loaded else ()

    def deeds(self) -> Mapping[str, Callable[..., None]]:
        """Return what their steps do; without them there were none."""
        return self._loaded.deeds() if self._loaded else {}

    def status(self, layout: Layout) -> Sequence[Dict[str, Any]]:
        """Return their rows, none where they concern nothing here."""
        return self._all().status(layout) if self._loaded or self._concerns(layout) else ()

    def _all(self) -> Followers:
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded
