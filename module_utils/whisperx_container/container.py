"""An image as a runtime of the engine: loaded and named by the role, proved and run through scripts here.

The engines' own Ansible modules load, name and remove images; the role runs them between two calls of the
module. Those are steps that are left to it: a run ends at the first of them, and the next call decides anew.
"""

from __future__ import annotations

import os
from typing import AbstractSet, Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..whisperx_common.durable import make_directories
from ..whisperx_common.files import discard, make_way, read_text, write_text
from ..whisperx_common.layers import chains
from ..whisperx_common.models import active
from ..whisperx_problem import Problem
from ..whisperx_release import disk, host
from ..whisperx_release.hooks import Hooks
from ..whisperx_release.model import SCHEMA, Decision, Layout, Release, State, Step
from ..whisperx_release.runtime import Deed, Proposal, Run, Runtime
from . import store
from .engine import Engine
from .model import CURRENT, Found, Options, Wanted
from .store import RUN_CONF, STORAGE_CONF
from .surroundings import check_machine, check_room
from .wrapper import Command, render

__all__ = ["LOAD", "REMOVE", "RUNTIME", "TAG", "Container", "incoming"]

# What the record of a release says its runtime is.
RUNTIME = "container"
# Kinds of steps that the role does with the engines' own modules.
LOAD, TAG, REMOVE = "load", "tag", "remove-image"
_FUSE = "/usr/bin/fuse-overlayfs"


def incoming(layout: Layout, store: str) -> str:
    """Return the directory for an archive, and for what the engine unpacks of it, while it is loaded: in the
    store, which has the room, where there is one.
    """
    return os.path.join(store or layout.root, "incoming")


class Container(Runtime):
    """``wanted`` is None when no image is to be put to use: in a rollback or a removal."""

    kind = RUNTIME
    directories = frozenset(("incoming",))
    files = frozenset((STORAGE_CONF, RUN_CONF))

    def __init__(
        self, layout: Layout, options: Options, hooks: Hooks, engine: Engine, wanted: Optional[Wanted] = None
    ) -> None:
        super().__init__(layout, options, hooks)
        self.options = options
        self.engine = engine
        self._wanted = wanted
        self.images: Dict[str, Found] = {}

    @property
    def wanted(self) -> Wanted:
        """The image to be active."""
        if self._wanted is None:
            raise AssertionError("this step needs a plan")
        return self._wanted

    @property
    def store(self) -> str:
        """The directory of images for all users, "" where the engine keeps them itself."""
        return self.options.store if self.engine.storage_conf else ""

    @property
    def found(self) -> Optional[Found]:
        """The wanted image, None while the host does not have it."""
        return self.images.get(self.wanted.image)

    def places(self) -> Dict[str, str]:
        """Return the store, where there is one."""
        return {self.store: self.layout.option("store")} if self.store else {}

    def propose(self, state: State) -> Proposal:
        """Return how the wanted image becomes ready; asks the engine which images there are."""
        wanted, current = self.wanted, state.get(state.current)
        self._look()
        mine = state.get(wanted.name)
        # Another than the active one may be damaged by now: it is run before the switch, as for a rollback.
        proved = mine is not None and mine.name == state.current and self._is_proved(mine)
        prepare: List[Step] = []
        if not proved:
            sentence = "Verified {} ({}, {})".format(wanted.name, self.options.verify_level, wanted.device)
            prepare.append(Step("commands", wanted.name))
            prepare.append(Step("verify", wanted.name, sentence))
            prepare.append(Step("complete", wanted.name))
        elif mine and self._is_stale(mine):
            prepare.append(Step("commands", wanted.name, "Wrote the commands of {}".format(wanted.name)))
        load = Step(LOAD, wanted.image, "Loaded image {}".format(wanted.image), left=True)
        return Proposal(
            name=wanted.name,
            scripts=wanted.scripts,
            ready=mine if proved else None,
            before=() if self.found else (load,),
            prepare=tuple(prepare),
            old=current.versions if current else {},
            new=wanted.versions or (mine.versions if mine else {}),
            commands=("python", *wanted.commands),
            device=wanted.device,
        )

    def check(self, state: State, decision: Decision) -> None:
        """Raise Problem "container.other-machine" or "container.disk-space"."""
        if self.found:
            check_machine(self.wanted, self.found, os.uname().machine)
            return
        storage = self.store or self.engine.storage_root() or self.layout.root
        coming = incoming(self.layout, self.store)
        check_room(self.wanted, self.layers(), storage, coming, self.options.copied)

    def finish(self, state: State, steps: Sequence[Step], gone: Sequence[str]) -> Sequence[Step]:
        """Open the store, move the tag, remove the images that no remaining release is made of."""
        found, last = self.found, []
        proves = any(step.kind == "verify" for step in steps)
        if not proves and store.is_closed(self.engine, self.options):
            sentence = "Let every user read the images in {}".format(self.options.store)
            last.append(Step("open-store", self.options.store, sentence))
        if found is None or self._tagged() != found.id:
            last.append(self._tag(self.wanted.image))
        needed = {
            str(release.value("image"))
            for release in state.releases.values()
            if release.complete and release.name not in gone
        }
        needed.add(self.wanted.image)
        surplus = {tag for name, image in self.images.items() if name not in needed for tag in image.tags}
        return last + _removals(surplus - {CURRENT})

    def begin(self, run: Run) -> None:
        """Make the store that the role loads into, and clear what a killed run was loading."""
        discard(incoming(self.layout, self.store))
        self._make_store()

    def deeds(self) -> Mapping[str, Deed]:
        """Return what its own steps do."""
        return {"commands": self._write, "open-store": self._open, "remove-store": self._remove_store}

    def models(self) -> str:
        """Return the active set of models on the host, which the commands mount: not those in an image."""
        return active([self.options.models_dir])

    def prove(self, path: str) -> Dict[str, Any]:
        """Verify the image by running it. Raises Problem."""
        return self.hooks.prove(path, self.wanted, self.options)

    def record(self, run: Run, name: str) -> Dict[str, Any]:
        """Return the record of a release: anew each time, for the image may be another one."""
        wanted, plan, found = self.wanted, self.wanted.plan, self.found
        if found is None:
            raise AssertionError("an image that is not there was not verified")
        return {
            "schema": SCHEMA,
            "id": wanted.name,
            "runtime": RUNTIME,
            "engine": wanted.engine,
            "image": wanted.image,
            "image_id": found.id,
            "created": self.hooks.now(),
            "class": plan.get("class"),
            "lock_digest": wanted.labels.get("lock") or found.labels.get("lock"),
            "requested": wanted.requested,
            "python": plan.get("python"),
            "device": wanted.device,
            "torch_build": plan.get("torch_build"),
            "versions": dict(run.decision.after),
            "environment": dict(plan.get("environment") or {}),
            "base": {"name": wanted.container.get("base"), "facts": wanted.container.get("base_facts") or {}},
            "scripts": list(wanted.scripts),
            "driver_minimum": wanted.driver or None,
            "plan": {"device": wanted.device, "imports": wanted.imports},
            "replaces": run.before.current or None,
        }

    def check_return(self, release: Release) -> None:
        """Raise Problem "container.previous-gone" or "container.previous-unfit"."""
        if self._image_of(release) is None:
            raise _gone(self.engine.name, release)
        unfit = host.unfit(str(release.value("device")), release.value("host", {}), host.here())
        if unfit:
            raise _unfit(release, unfit)

    def prove_again(self, release: Release) -> Dict[str, Any]:
        """Verify an image before it is gone back to. Raises Problem "container.previous-damaged"."""
        from .prove import prove_again

        return prove_again(self.engine, release, self.options)

    def returned(self, state: State, target: Release) -> Sequence[Step]:
        """Return the step that moves the tag `current`, unless it leads to the image of ``target``."""
        self._look()
        moves = self._tagged() != target.value("image_id")
        return [self._tag(str(target.value("image")))] if moves else []

    def leave(self, state: State) -> Tuple[Sequence[Step], Sequence[Step]]:
        """Return the removal of the store, and of the images that docker keeps itself."""
        first: List[Step] = []
        if self.store and os.path.exists(self.engine.storage_conf) and os.path.isdir(self.store):
            first.append(Step("remove-store", self.store, "Removed {}".format(self.store)))
        if self.engine.name != "docker":
            return first, []
        self._look()
        return first, _removals({tag for image in self.images.values() for tag in image.tags})

    def there(self) -> List[str]:
        """Return the releases of which the host has images."""
        return sorted(image.release for image in self.images.values())

    def layers(self) -> List[str]:
        """Return by which digests the engine finds the layers that these have: docker knows a layer together
        with those below it, podman each by itself.
        """
        stacks = (image.layers for image in self.images.values())
        if self.engine.name == "docker":
            stacks = (tuple(chains(stack)) for stack in stacks)
        return sorted({layer for stack in stacks for layer in stack})

    def _look(self) -> None:
        self.images = {image.name: image for image in self.engine.images()}

    def _image_of(self, release: Release) -> Optional[Found]:
        """Return the image of a release, None when it is gone or another than was proved."""
        found = self.images.get(str(release.value("image")))
        return found if found and found.id == release.value("image_id") else None

    def _tagged(self) -> str:
        """Return the id of the image that the tag `current` leads to, "" for none."""
        return next((image.id for image in self.images.values() if CURRENT in image.tags), "")

    def _tag(self, image: str) -> Step:
        return Step(TAG, image, "Named {} {}".format(image, CURRENT), left=True)

    def _is_proved(self, mine: Release) -> bool:
        """Return whether the very image was proved, and far enough."""
        return self._image_of(mine) is not None and self.is_verified(mine)

    def _texts(self) -> Dict[str, str]:
        """Return the scripts of the wanted release, by name."""
        options, wanted = self.options, self.wanted
        return render(
            Command(
                release=wanted.name,
                engine=wanted.engine,
                version=self.engine.version(),
                image=wanted.image,
                scripts=wanted.commands,
                store=options.store if wanted.engine == "podman" else "",
                run_conf=self.engine.run_conf,
                storage_driver=options.storage_driver,
                fuse=_FUSE if os.path.exists(_FUSE) else "",
                network=options.network,
                cache=options.cache,
                models=options.models_dir,
                shm=options.shm,
                gpu=wanted.gpu,
                driver=wanted.driver,
                options=options.options,
            )
        )

    def _is_stale(self, mine: Release) -> bool:
        """Return whether a release's scripts differ from those that would be written now."""
        directory = os.path.join(mine.path, "launch")
        return any(read_text(os.path.join(directory, name)) != text for name, text in self._texts().items())

    def _write(self, run: Run, step: Step) -> None:
        directory = os.path.join(run.path(step), "launch")
        make_way(directory, directory=True)
        make_directories(directory)
        for name, text in self._texts().items():
            make_way(os.path.join(directory, name))
            write_text(os.path.join(directory, name), text, 0o755)

    def _make_store(self) -> None:
        if self.store:
            disk.make(self.layout, self.store, "store")
        store.make(self.engine, self.options)

    def _open(self, run: Run, step: Step) -> None:
        self._make_store()

    def _remove_store(self, run: Run, step: Step) -> None:
        store.remove(step.subject, self.options)


def _removals(names: AbstractSet[str]) -> List[Step]:
    return [Step(REMOVE, name, "Removed image {}".format(name), left=True) for name in sorted(names)]


def _gone(engine: str, release: Release) -> Problem:
    return Problem(
        "container.previous-gone",
        "{} does not have the image that release {} was verified with".format(engine, release.name),
        str(release.value("image")),
        "the image to go back to",
        "Run site.yml with the older lock instead; it transfers that image again.",
    )


def _unfit(release: Release, why: str) -> Problem:
    return Problem(
        "container.previous-unfit",
        "release {} no longer fits this host: {}".format(release.name, why),
        release.path,
        "the driver it was verified on, or a newer one",
        "Keep the current release, or run site.yml for one that fits.",
    )
