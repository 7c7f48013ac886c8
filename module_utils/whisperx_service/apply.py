"""Services alone, with the release that is active: a run of the engine that does nothing else."""

from __future__ import annotations

import os
import time
from typing import Any, Dict, Sequence

from ..whisperx_common.files import names_in
from ..whisperx_problem import Problem
from ..whisperx_release import engine, state
from ..whisperx_release.followers import Followed, Followers
from ..whisperx_release.hooks import Hooks
from ..whisperx_release.model import Layout, Options, Outcome, State
from ..whisperx_release.runtime import Proposal, Runtime
from .follow import Services
from .model import Service

__all__ = ["Active", "baked", "inspected", "present"]

# No release is surplus here.
_KEEP = 1 << 30


class Active(Runtime):
    """Whatever runtime the active release has: it is as it should be."""

    def propose(self, state: State) -> Proposal:
        """Return the active release. Raises Problem "service.no-release"."""
        release = state.get(state.current)
        if release is None:
            raise Problem(
                "service.no-release",
                "no active release",
                self.layout.root,
                "one that the services can follow",
                "Run site.yml: it installs one, and the services with it.",
            )
        self.kind = str(release.value("runtime", "venv"))
        return Proposal(
            name=release.name,
            scripts=release.scripts,
            ready=release,
            old=release.versions,
            new=release.versions,
            commands=tuple(sorted(names_in(os.path.join(release.path, "launch")))),
            device=str(release.value("device")),
        )


def baked(
    layout: Layout, services: Sequence[Service], releases: Sequence[str], check: bool
) -> Dict[str, Any]:
    """Put services on an image; return the module's result. Raises Problem."""
    from .baked import install

    started = time.monotonic()
    return _result(Outcome(actions=install(layout, services, releases, check)), started)


def inspected(
    layout: Layout, services: Sequence[Service], promised: Sequence[Followed], image: bool
) -> Dict[str, Any]:
    """Refuse what could not run with releases that are not built yet; return the module's result.

    ``image``: whether they are those of an image. Raises Problem.
    """
    started = time.monotonic()
    if image:
        from .baked import inspect

        inspect(layout, services, promised)
    else:
        found = state.read(layout)
        for followed in promised:
            Services(services).present(layout, found, followed)
    return _result(Outcome(), started)


def present(layout: Layout, followers: Followers, wanted: bool, check: bool) -> Dict[str, Any]:
    """Make what follows the release of a root what is asked for; return the module's result. Raises Problem.

    ``wanted``: whether anything is asked for; if not, nothing is to be done without a release.
    """
    started = time.monotonic()
    if not wanted and not state.read(layout).current:
        return _result(Outcome(), started)
    hooks = Hooks(followers=followers)
    return _result(engine.present(layout, Active(layout, Options(keep=_KEEP), hooks), hooks, check), started)


def _result(outcome: Outcome, started: float) -> Dict[str, Any]:
    return {
        "changed": bool(outcome.actions),
        "actions": outcome.actions,
        "release": outcome.release,
        "notes": outcome.notes,
        "services": outcome.services,
        "seconds": round(time.monotonic() - started, 2),
    }
