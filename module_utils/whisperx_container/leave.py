"""Going back to the release before, and removing everything."""

from __future__ import annotations

import os
import subprocess
from typing import Any, Callable, Dict, List, Optional

from ..whisperx_common.files import discard, link, read_json, write_json
from ..whisperx_env import apply as venv
from ..whisperx_env import decide
from ..whisperx_env.model import Options as VenvOptions
from ..whisperx_env.model import Wanted
from ..whisperx_problem import Problem
from ..whisperx_release import host, outside, state
from ..whisperx_release.hooks import Hooks as VenvHooks
from ..whisperx_release.lock import held
from ..whisperx_release.model import Layout, Outcome, Release
from . import fact
from .apply import Hooks, Place, incoming
from .engine import Engine
from .model import CURRENT, Options, Result
from .store import run_conf, storage_conf

__all__ = ["absent", "rolled_back"]

Find = Callable[[str], Engine]


def rolled_back(
    layout: Layout, release: str, options: Options, find: Find, hooks: Hooks, check: bool
) -> Result:
    """Go back to the previous release, or the one named, of either runtime; needs no network and no plan.

    Raises Problem "env.no-previous", "container.previous-gone", "container.previous-unfit";
    a venv's own, too.
    """
    found = state.read(layout)
    decision = decide.rolled_back(layout, found, release, read_json(layout.rolled_back))
    target = found.get(decision.release)
    assert target is not None, "a decision names a complete release"
    if target.value("runtime") != "container":
        return _of_venv(venv.rolled_back(layout, release, VenvOptions(), VenvHooks(_no_proof), check))
    place = Place(layout, find(str(target.value("engine"))), options)
    result = Result(release=target.name, engine=place.engine.name, image=str(target.value("image")))
    result.before, result.after = decision.before, decision.after
    result.actions = decision.actions
    if not fact.is_right(layout, target.record or {}):
        sentence = "Wrote {}".format(layout.fact)
        result.actions = [told for told in decision.actions if told != sentence] + [sentence]
    elif found.current == target.name:
        result.actions = [told for told in decision.actions if told != "Wrote {}".format(layout.fact)]
    result.tag = place.current_tag() != target.value("image_id")
    if result.tag:
        result.actions.append("Named {} {}".format(result.image, CURRENT))
    if found.current != target.name or result.tag:
        _check_fits(place, target)
    if check or not result.actions:
        return result
    with held(layout):
        if found.current != target.name:
            _switch(place, target, hooks)
        scripts = [str(name) for name in target.value("scripts", [])]
        for name in outside.wrong_commands(layout, scripts):
            outside.write_command(layout, name)
        for name in outside.ours(layout):
            if name not in scripts:
                discard(layout.command(name))
        fact.write(layout, target.record or {})
    return result


def absent(layout: Layout, options: Options, find: Find, chosen: str, check: bool) -> Result:
    """Remove everything below the root, store included, and name docker's images in ``surplus``.

    ``chosen`` is the role's engine, looked at too. Raises Problem "env.foreign-directory".
    """
    found = state.read(layout)
    engines = {str(r.value("engine")) for r in found.releases.values() if r.value("runtime") == "container"}
    result = Result(engine="docker")
    if "docker" in engines | {chosen}:
        images = find("docker").images()
        result.surplus = sorted({tag for image in images for tag in image.tags})
    result.actions = ["Removed image {}".format(name) for name in result.surplus]
    store = options.store if os.path.exists(storage_conf(layout)) and options.store else ""
    if store and os.path.isdir(store):
        result.actions.append("Removed {}".format(store))
    if store and not check:
        with held(layout):
            _remove_store(store, options)
            discard(storage_conf(layout))
            discard(run_conf(layout))
    if not check and found.exists:
        discard(incoming(layout, ""))
    outcome = venv.absent(layout, VenvOptions(), VenvHooks(_no_proof), check)
    result.actions += outcome.actions
    result.before, result.notes = outcome.before, outcome.notes
    current = found.get(found.current)
    if current and current.value("runtime") == "container":
        result.before = dict(current.value("versions", {}))
    return result


def _no_proof(path: str, wanted: Wanted, options: VenvOptions) -> Dict[str, Any]:
    raise AssertionError("nothing is built here")


def _of_venv(outcome: Outcome) -> Result:
    """Return a venv's outcome as this module's."""
    return Result(
        actions=outcome.actions,
        before=outcome.before,
        after=outcome.after,
        release=outcome.release,
        timings=outcome.timings,
        notes=outcome.notes,
    )


def _check_fits(place: Place, target: Release) -> None:
    """Raise Problem when the image of a release is gone, or the driver is older than it was."""
    if place.image(target) is None:
        raise Problem(
            "container.previous-gone",
            "{} does not have the image that release {} was proved with".format(
                place.engine.name, target.name
            ),
            str(target.value("image")),
            "the image to go back to",
            "Run site.yml with the older lock instead; it brings that image anew.",
        )
    unfit = host.unfit(str(target.value("device")), target.value("host", {}), host.here())
    if unfit:
        raise Problem(
            "container.previous-unfit",
            "release {} no longer fits this host: {}".format(target.name, unfit),
            target.path,
            "the driver it was proved on, or a newer one",
            "Keep the current release, or run site.yml for one that fits.",
        )


def _switch(place: Place, target: Release, hooks: Hooks) -> None:
    layout, before = place.layout, place.state.current
    write_json(layout.rolled_back, {"from": before, "to": target.name, "at": hooks.now()})
    if before:
        link(layout.previous, os.path.join("releases", before))
    link(layout.current, os.path.join("releases", target.name))


def _remove_store(store: str, options: Options) -> None:
    """Remove the store. The engine keeps its directory mounted upon itself, which is undone first."""
    own = os.path.join(store, "containers")
    for top in [os.path.join(place, options.storage_driver) for place in (own, store)]:
        ended = _umount(top) if os.path.ismount(top) else None
        if ended is not None:
            raise Problem(
                "container.store-busy",
                ended,
                top,
                "a store in which no container runs",
                "Stop the containers of this release, then run again.",
            )
    discard(store)


def _umount(path: str) -> Optional[str]:
    """Unmount; return what was said when it failed."""
    command: List[str] = ["umount", path]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return ended.stdout.decode("utf-8", "replace").strip() or "umount failed" if ended.returncode else None
