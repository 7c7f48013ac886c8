"""What follows the active release is acted upon after every switch, of whatever runtime, also back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from module_utils.whisperx_release.followers import Followed, Followers, Late
from module_utils.whisperx_release.hooks import Hooks
from module_utils.whisperx_release.model import Layout, State, Step
from tests.unit.whisperx_release.release_hosts import HOSTS, Host


class Told(Followers):
    """Notes which release it was told to follow, if that is another one."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def present(self, layout: Layout, state: State, followed: Followed) -> Sequence[Step]:
        sentence = f"Told {followed.release}"
        return [Step("told", followed.release, sentence)] if followed.moves else []

    def deeds(self) -> Mapping[str, Callable[..., None]]:
        return {"told": lambda run, step: self.told.append(step.subject)}


def following(base: Path, runtime: str) -> tuple[Host, Told]:
    told = Told()

    class Following(HOSTS[runtime]):  # type: ignore[misc]
        @property
        def hooks(self) -> Hooks:
            return replace(super().hooks, followers=told)

    return Following(base), told


@pytest.mark.parametrize("runtime", sorted(HOSTS))
def test_what_follows_is_told_of_every_switch(tmp_path: Path, runtime: str) -> None:
    host, told = following(tmp_path / "host", runtime)
    host.present("1.0")
    host.present("2.0")
    outcome: Any = host.rolled_back()
    assert [name[:8] for name in told.told] == ["tiny-1.0", "tiny-2.0", "tiny-1.0"]
    assert any(action.startswith("Told tiny-1.0") for action in outcome.actions)


@pytest.mark.parametrize(("moves", "there"), [(False, False), (True, False), (False, True), (True, True)])
def test_followers_are_loaded_only_where_they_concern_something(
    tmp_path: Path, moves: bool, there: bool
) -> None:
    told, loaded = Told(), []

    def load() -> Followers:
        loaded.append(True)
        return told

    late = Late(lambda layout: there, load)
    layout = Layout(str(tmp_path), "", "", "")
    followed = Followed("tiny-1.0", (), "cpu", moves=moves)
    steps = late.present(layout, State(exists=True), followed)
    assert [step.subject for step in steps] == (["tiny-1.0"] if moves else [])
    assert set(late.deeds()) == ({"told"} if moves or there else set())
    assert (late.notes(), late.status(layout)) == ((), ())
    assert len(loaded) == (1 if moves or there else 0)
    late.absent(layout, State(exists=True))
    assert loaded == [True]
