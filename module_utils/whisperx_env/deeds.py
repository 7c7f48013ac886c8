"""Target: what the steps of a venv do: files taken in, build, gate, launch scripts, the download cache."""

from __future__ import annotations

import os
import time
from typing import Collection, ContextManager, Mapping, Optional, Set

from ..whisperx_common.files import discard, read_text
from ..whisperx_release import state
from ..whisperx_release.model import Layout, State, Step
from ..whisperx_release.runtime import Deed, Run
from . import build, gate, integrity, launch, pythons, shelf, supplies
from .model import Options, Wanted
from .pythons import Tree

__all__ = ["bring", "of"]


def of(wanted: Wanted, options: Options, locked: Set[str], tree: Optional[Tree] = None) -> Mapping[str, Deed]:
    """Return the deed of each kind of step; ``locked`` is what ``bring`` returned.

    ``tree`` is the managed Python to build upon, None for the host's own.
    """
    deeds = Deeds(wanted, options, locked, tree)
    return {
        "build": deeds.build,
        "distrust": deeds.distrust,
        "gate": deeds.gate,
        "launch": deeds.launch,
        "prune-python": deeds.prune_python,
        "python": deeds.python,
        "refetch": deeds.refetch,
        "tidy": deeds.tidy,
    }


def bring(wanted: Wanted, options: Options, run: Run) -> Set[str]:
    """Take in what travelled with the run, then fetch what the build needs from the site's wheelhouse.

    Returns what the releases are made of before any of them goes. Raises Problem "env.transfer",
    "env.wheelhouse".
    """
    for item in options.carried:
        supplies.carry(run.layout, item)
    if options.wheelhouse and run.decision.has("build"):
        _fetch(wanted, options, run)
    return _lock_lines(run.before)


def _fetch(wanted: Wanted, options: Options, run: Run) -> None:
    from .fetch import fetch  # only where something is fetched

    here = shelf.carried(run.layout)
    missing = shelf.to_bring(wanted, options, here, shelf.unpacked(run.layout))
    started = time.monotonic()
    asked = [package for package in missing if not package.travels]
    run.hooks.progress.begin(asked)
    run.outcome.fetched = fetch(run.layout, asked, options.wheelhouse, run.hooks.progress)
    run.outcome.timings["fetch"] = round(time.monotonic() - started, 3)


class Deeds:
    """The deeds of one run."""

    def __init__(
        self, wanted: Wanted, options: Options, locked: Set[str], tree: Optional[Tree] = None
    ) -> None:
        self.wanted = wanted
        self.options = options
        self.locked = locked
        self.tree = tree

    def uv(self, layout: Layout) -> ContextManager[Optional[supplies.Program]]:
        """Open a uv binary on this host: of this run, else of an earlier one, else None."""
        names = [item.sha256 for item in self.options.carried if item.file == "uv"]
        return supplies.uv(layout, [*names, *shelf.carried(layout)])

    def distrust(self, run: Run, step: Step) -> None:
        """Have the edited downloads of a damaged release fetched again."""
        self._forget_downloads(run, integrity.poisoned(run.before.releases[step.subject]))

    def refetch(self, run: Run, step: Step) -> None:
        """Have the download of a package fetched again."""
        self._forget_downloads(run, [step.subject])

    def _forget_downloads(self, run: Run, names: Collection[str]) -> None:
        if names:
            with self.uv(run.layout) as uv:
                build.forget_downloads(run.layout, names, uv, run.hooks.inherited)

    def python(self, run: Run, step: Step) -> None:
        """Unpack the managed Python."""
        from .unpack import unpack  # only where there is one to unpack

        def emit(event: str) -> None:
            run.hooks.emit("python:{}".format(event))

        if self.tree is None:
            raise AssertionError("this step needs a managed Python")
        with self.uv(run.layout) as uv:
            if uv is None:
                raise build.no_uv(run.layout)
            unpack(self.tree, uv, self.options, run.hooks, emit)

    def prune_python(self, run: Run, step: Step) -> None:
        """Remove a managed Python that no release stands on."""
        pythons.forget(run.layout, step.subject)

    def build(self, run: Run, step: Step) -> None:
        """Install the locked packages at the release's final path."""

        def emit(event: str) -> None:
            run.hooks.emit("build:{}".format(event))

        if not shelf.from_wheelhouse(self.wanted, self.options):
            # What an earlier release was made of lies in the cache.
            here = {line.split()[0] for line in self.locked}
            packages = self.wanted.lock.packages
            run.hooks.progress.begin(
                [one for one in packages if "{}=={}".format(one.name, one.version) not in here]
            )
        with self.uv(run.layout) as uv:
            path, python = run.path(step), self.tree.program if self.tree else ""
            build.stage(run.layout, self.wanted, self.options, uv, path, run.hooks, emit, python)

    def gate(self, run: Run, step: Step) -> None:
        """Check the shared objects against this host's loader."""
        directory = self.wanted.site_packages(run.path(step))
        python = os.path.join(run.path(step), "bin", "python")
        run.checked["gate"] = gate.check(directory, gate.needs(self.wanted), python)

    def launch(self, run: Run, step: Step) -> None:
        """Write the launch scripts."""
        path = run.path(step)
        launch.write(self.wanted, path, self.wanted.site_packages(path))

    def tidy(self, run: Run, step: Step) -> None:
        """Remove what only removed releases needed: their downloads, and files that travelled for them."""
        layout = run.layout
        gone = self.locked - _lock_lines(state.read(layout))
        names = {line.split("==")[0] for line in gone}
        if not layout.shared_cache:
            self._forget_downloads(run, names)
        if not self.options.carried:
            return
        used = {item.sha256 for item in self.options.carried}
        used |= {package.sha256 for package in self.wanted.lock.packages}
        for name in set(shelf.carried(layout)) - used:
            discard(layout.path("files", name))


def _lock_lines(found: State) -> Set[str]:
    """Return the package lines of the locks of all complete releases."""
    lines: Set[str] = set()
    for release in found.releases.values():
        text = read_text(os.path.join(release.path, "requirements.txt")) if release.complete else None
        lines.update(line for line in (text or "").splitlines() if line and not line.startswith("#"))
    return lines
