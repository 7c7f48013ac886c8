"""The three things a run can be asked for: an image in use, the one before, none.

What users run is a link to a release's commands, so one rename switches, and a run that is killed at any
instant leaves commands whose image was proved.
"""

from __future__ import annotations

from typing import Callable, List

from ..whisperx_release import engine as releases
from ..whisperx_release import state
from ..whisperx_release.hooks import Hooks
from ..whisperx_release.model import Layout, Outcome, Release
from ..whisperx_release.runtime import Runtime
from .container import LOAD, REMOVE, RUNTIME, TAG, Container
from .engine import Engine
from .model import Options, Result, Wanted
from .store import run_conf, storage_conf

__all__ = ["absent", "present", "rolled_back"]

# The engine of a name on this host.
Find = Callable[[str], Engine]


def present(
    layout: Layout, engine: Engine, options: Options, wanted: Wanted, hooks: Hooks, check: bool
) -> Result:
    """Put the wanted image to use, or say that it has to be loaded first (``load``).

    With ``check`` nothing is done; the actions are those that the runs of the real thing together do. Raises
    Problem; then nothing is switched.
    """
    container = Container(layout, options, hooks, engine, wanted)
    result = _result(releases.present(layout, container, hooks, check), engine.name)
    result.image, result.there, result.layers = wanted.image, container.there(), container.layers()
    return result


def rolled_back(
    layout: Layout, release: str, options: Options, find: Find, hooks: Hooks, check: bool, other: Runtime
) -> Result:
    """Go back to the previous release, or the one named; needs no network and no plan.

    ``other`` is the runtime of the releases that are no image.

    Raises Problem "env.no-previous", "container.previous-gone", "container.previous-unfit", and those of
    ``other``.
    """

    def runtime(target: Release) -> Runtime:
        if target.value("runtime") == RUNTIME:
            return Container(layout, options, hooks, find(str(target.value("engine"))))
        return other

    outcome = releases.rolled_back(layout, release, runtime, hooks, check)
    target = state.release(layout, outcome.release)
    result = _result(outcome, str(target.value("engine")))
    result.image = str(target.value("image"))
    return result


def absent(
    layout: Layout, options: Options, find: Find, chosen: str, hooks: Hooks, check: bool, other: Runtime
) -> Result:
    """Remove everything below the root, store included, and name docker's images in ``surplus``.

    ``chosen`` is the role's engine, asked too; ``other`` is the runtime of the releases that are no image.
    Raises Problem "env.foreign-directory".
    """
    found = state.read(layout)
    names = {str(release.value("engine")) for release in found.releases.values()} | {chosen}
    # Podman's images lie in the store: to remove them takes no podman.
    podman = Engine("podman", "", storage_conf(layout), run_conf(layout))
    runtimes: List[Runtime] = [Container(layout, options, hooks, podman)]
    if "docker" in names:
        runtimes.append(Container(layout, options, hooks, find("docker")))
    runtimes.append(other)
    return _result(releases.absent(layout, runtimes, hooks, check), "docker")


def _result(outcome: Outcome, engine: str) -> Result:
    """Return an outcome with what is left for the role told apart."""
    kinds = {step.kind for step in outcome.left}
    return Result(
        **vars(outcome),
        engine=engine,
        load=LOAD in kinds,
        tag=TAG in kinds,
        surplus=[step.subject for step in outcome.left if step.kind == REMOVE],
    )
