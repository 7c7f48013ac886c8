"""The three things a run can be asked for: an image in use, the one before, none.

Images are brought, named and removed by the engines' own Ansible modules; the role runs them between two
calls of this one. What users run is a link to a release's commands, so one rename switches, and a run that is
killed at any instant leaves commands whose image was proved.
"""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from typing import Any, Callable, Dict, List, Optional

from ..whisperx_common.files import discard, link, open_umask, read_json, read_text, write_json, write_text
from ..whisperx_env.decide import LEVELS
from ..whisperx_release import disk, host, outside, state
from ..whisperx_release.lock import held
from ..whisperx_release.model import SCHEMA, Layout, Release, State
from . import fact, store
from .engine import Engine
from .model import CURRENT, Found, Options, Result, Wanted
from .surroundings import check_machine
from .wrapper import Command, render

__all__ = ["Hooks", "Place", "incoming", "present"]

Prove = Callable[[str, Wanted, Options], Dict[str, Any]]


class Hooks:
    """What a run takes from outside: the proof and the time (ISO 8601, UTC)."""

    def __init__(self, prove: Prove, now: Optional[Callable[[], str]] = None) -> None:
        self.prove = prove
        self.now = now or (lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))


class Place:
    """One run on one root: where things lie, the engine, and what was there when it began."""

    def __init__(self, layout: Layout, engine: Engine, options: Options) -> None:
        self.layout = layout
        self.engine = engine
        self.options = options
        self.store = options.store if engine.storage_conf else ""
        self.images: Dict[str, Found] = {image.name: image for image in engine.images()}
        self.state: State = state.read(layout)

    def image(self, release: Release) -> Optional[Found]:
        """Return the image of a container release, None when it is gone or another than was proved."""
        found = self.images.get(str(release.value("image")))
        return found if found and found.id == release.value("image_id") else None

    def current_tag(self) -> str:
        """Return the id of the image that the tag `current` leads to, "" for none."""
        return next((image.id for image in self.images.values() if CURRENT in image.tags), "")


def incoming(layout: Layout, store: str) -> str:
    """Return the directory for an archive, and for what the engine unpacks of it, while it is loaded: in the
    store, which has the room, where there is one.
    """
    return os.path.join(store or layout.root, "incoming")


def present(place: Place, wanted: Wanted, hooks: Hooks, check: bool) -> Result:
    """Put the wanted image to use, or say that it has to be loaded first (``load``).

    With ``check`` nothing is done; the actions are those that the runs of the real thing together do. Raises
    Problem; then nothing is switched.
    """
    layout = place.layout
    outside.check_commands(layout, wanted.scripts)
    disk.check_writable(_touched(place))
    found = place.images.get(wanted.image)
    if found:
        check_machine(wanted, found, os.uname().machine)
    result = _decide(place, wanted, found)
    if check or not (result.actions or result.load):
        return result
    with open_umask():
        os.makedirs(layout.root, exist_ok=True)
        with held(layout):
            _claim(place)
            if not result.load and found:
                _Run(place, wanted, found, hooks, result).perform()
    return result


def _decide(place: Place, wanted: Wanted, found: Optional[Found]) -> Result:
    """Return the outcome that is to be, and what it takes."""
    layout, options = place.layout, place.options
    current = place.state.get(place.state.current)
    mine = place.state.get(wanted.name)
    result = Result(release=wanted.name, engine=wanted.engine, image=wanted.image, load=found is None)
    result.there = sorted(image.release for image in place.images.values())
    result.before = dict(current.value("versions", {})) if current else {}
    result.after = wanted.versions or (dict(mine.value("versions", {})) if mine else {})
    told = result.actions
    told += ["Removed what was left of release {}".format(name) for name in place.state.half_built]
    if found is None:
        told.append("Loaded image {}".format(wanted.image))
    if _to_prove(place, wanted, mine, found):
        told.append("Verified {} ({}, {})".format(wanted.name, options.verify_level, wanted.device))
    elif mine and _stale(place, wanted, mine):
        told.append("Wrote the commands of {}".format(wanted.name))
    if place.state.current != wanted.name:
        told.append("Switched from {} to {}".format(place.state.current or "nothing", wanted.name))
    result.tag = found is None or place.current_tag() != found.id
    if result.tag:
        told.append("Named {} {}".format(wanted.image, CURRENT))
    told += [
        "Linked {}".format(layout.command(name)) for name in outside.wrong_commands(layout, wanted.scripts)
    ]
    if store.is_closed(place.engine, options):
        told.append("Let every user read the images in {}".format(options.store))
    told += ["Removed {}".format(layout.command(name)) for name in _strange_links(layout, wanted)]
    staying = mine if mine and place.state.current == wanted.name else None
    if layout.fact and not (staying and fact.is_right(layout, staying.record or {})):
        told.append("Wrote {}".format(layout.fact))
    gone = _surplus(place.state, options, wanted.name)
    told += ["Removed release {}".format(name) for name in gone]
    result.surplus = _surplus_images(place, wanted, gone)
    told += ["Removed image {}".format(name) for name in result.surplus]
    return result


def _to_prove(place: Place, wanted: Wanted, mine: Optional[Release], found: Optional[Found]) -> bool:
    """Tell whether the image has to be proved: never was, not far enough, or is not the one that was."""
    if mine is None or found is None or mine.value("image_id") != found.id:
        return True
    level = str((mine.value("verify", {}) or {}).get("level", ""))
    return level not in LEVELS or LEVELS.index(level) < LEVELS.index(place.options.verify_level)


def _texts(place: Place, wanted: Wanted) -> Dict[str, str]:
    """Return the scripts of the wanted release, by name."""
    options, podman = place.options, wanted.engine == "podman"
    return render(
        Command(
            release=wanted.name,
            engine=wanted.engine,
            version=place.engine.version(),
            image=wanted.image,
            scripts=wanted.scripts,
            store=options.store if podman else "",
            run_conf=place.engine.run_conf,
            storage_driver=options.storage_driver,
            fuse="/usr/bin/fuse-overlayfs" if os.path.exists("/usr/bin/fuse-overlayfs") else "",
            network=options.network,
            cache=options.cache,
            shm=options.shm,
            gpu=wanted.gpu,
            driver=wanted.driver,
            options=options.options,
        )
    )


def _stale(place: Place, wanted: Wanted, mine: Release) -> bool:
    """Tell whether a release's scripts differ from those that would be written now."""
    directory = os.path.join(mine.path, "launch")
    return any(
        read_text(os.path.join(directory, name)) != text for name, text in _texts(place, wanted).items()
    )


def _strange_links(layout: Layout, wanted: Wanted) -> List[str]:
    return [name for name in outside.ours(layout) if name not in wanted.scripts]


def _surplus(found: State, options: Options, name: str) -> List[str]:
    """Return the releases to remove once ``name`` is current: the oldest beyond ``keep``."""
    previous = found.previous if name == found.current else found.current
    protected = {name, previous} - {""}
    others = [other for other in found.releases.values() if other.complete and other.name not in protected]
    others.sort(key=lambda other: (str(other.value("created")), other.name), reverse=True)
    return sorted(other.name for other in others[max(0, options.keep - len(protected)) :])


def _surplus_images(place: Place, wanted: Wanted, gone: List[str]) -> List[str]:
    """Return every name, but `current`, of the images that no remaining release is made of."""
    needed = {
        str(r.value("image")) for r in place.state.releases.values() if r.complete and r.name not in gone
    }
    unneeded = [image for name, image in place.images.items() if name not in needed | {wanted.image}]
    return sorted({tag for image in unneeded for tag in image.tags if tag != CURRENT})


class _Run:
    """Carries out what was decided, under the root's lock."""

    def __init__(self, place: Place, wanted: Wanted, found: Found, hooks: Hooks, result: Result) -> None:
        self.place, self.wanted, self.found, self.hooks, self.result = place, wanted, found, hooks, result
        self.layout = place.layout
        self.path = self.layout.release(wanted.name)

    def perform(self) -> None:
        """Prove first, then switch, then tidy up. What fails before the switch leaves nothing."""
        mine = self.place.state.get(self.wanted.name)
        for name in self.place.state.half_built:
            discard(self.layout.release(name))
        discard(incoming(self.layout, self.place.store))
        if _to_prove(self.place, self.wanted, mine, self.found):
            self._prove(mine)
        elif mine and _stale(self.place, self.wanted, mine):
            self._write()
        self._switch()
        for name in outside.wrong_commands(self.layout, self.wanted.scripts):
            outside.write_command(self.layout, name)
        for name in _strange_links(self.layout, self.wanted):
            discard(self.layout.command(name))
        fact.write(self.layout, read_json(os.path.join(self.path, state.RECORD)) or {})
        for name in _surplus(self.place.state, self.place.options, self.wanted.name):
            discard(self.layout.release(name))

    def _write(self) -> None:
        directory = os.path.join(self.path, "launch")
        os.makedirs(directory, exist_ok=True)
        for name, text in _texts(self.place, self.wanted).items():
            write_text(os.path.join(directory, name), text, 0o755)

    def _prove(self, mine: Optional[Release]) -> None:
        started = time.monotonic()
        try:
            self._write()
            report = self.hooks.prove(self.path, self.wanted, self.place.options)
        except BaseException:
            if mine is None:
                discard(self.path)
            raise
        self.result.verify = report
        self.result.timings["verify"] = round(time.monotonic() - started, 3)
        kept = {key: report.get(key) for key in ("level", "device", "seconds", "warnings")}
        record = dict(self._record(), verify=dict(kept, at=self.hooks.now()))
        write_json(os.path.join(self.path, state.RECORD), record)

    def _record(self) -> Dict[str, Any]:
        wanted, plan = self.wanted, self.wanted.plan
        return {
            "schema": SCHEMA,
            "id": wanted.name,
            "runtime": "container",
            "engine": wanted.engine,
            "image": wanted.image,
            "image_id": self.found.id,
            "created": self.hooks.now(),
            "class": plan.get("class"),
            "lock_digest": wanted.labels.get("lock") or self.found.labels.get("lock"),
            "requested": sorted(plan.get("request") or {}),
            "python": plan.get("python"),
            "device": wanted.device,
            "torch_build": plan.get("torch_build"),
            "versions": self.result.after,
            "environment": dict(plan.get("environment") or {}),
            "base": {"name": wanted.container.get("base"), "facts": wanted.container.get("base_facts") or {}},
            "scripts": list(wanted.scripts),
            "driver_minimum": wanted.driver or None,
            "plan": {"device": wanted.device, "imports": list(plan.get("imports") or [])},
            "host": asdict(host.here()),
            "replaces": self.place.state.current or None,
        }

    def _switch(self) -> None:
        """Point `previous` at what was current, then `current` at the release."""
        before = self.place.state.current
        if before == self.wanted.name:
            return
        if before:
            link(self.layout.previous, os.path.join("releases", before))
        link(self.layout.current, os.path.join("releases", self.wanted.name))
        discard(self.layout.rolled_back)


def _claim(place: Place) -> None:
    """Mark the root as ours, and make the store that the image modules load into."""
    layout, options = place.layout, place.options
    if read_json(layout.marker) is None:
        write_json(layout.marker, {"schema": SCHEMA, "made_by": "whisperx-fleet"})
    discard(incoming(layout, place.store))
    store.make(place.engine, options)


def _touched(place: Place) -> Dict[str, str]:
    """Return every directory that is written to, with the option that sets it."""
    layout = place.layout
    paths = {layout.root: "whisperx_container_root"}
    if place.engine.storage_conf:
        paths[place.options.store] = "whisperx_container_store"
    if layout.bin_dir:
        paths[layout.bin_dir] = "whisperx_container_bin_dir"
    if layout.facts_dir:
        paths[layout.facts_dir] = "whisperx_container_facts_dir"
    return paths
