"""Carry out the steps of a decision, one deed per kind of step.

Whatever instant the process dies at, `current` leads to a complete and verified release: a release is built
beside the others, gets its record last, and one rename of a link puts it to use.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Collection, ContextManager, Dict, List, Mapping, Optional, Set

from ..whisperx_common.durable import sync_tree
from ..whisperx_common.files import discard, leftovers, link, read_json, read_text, write_json
from ..whisperx_release import building, host, outside, state
from ..whisperx_release.hooks import Hooks
from ..whisperx_release.model import SCHEMA, Layout, Outcome, Release, State
from . import build, gate, integrity, launch, shelf, supplies
from .decide import Decision, Step
from .fit import check_fit
from .model import Options, Wanted

__all__ = ["Run", "perform", "take"]


@dataclass
class Run:
    """One run on one root. ``wanted`` is None when nothing is to be built (rollback, removal)."""

    layout: Layout
    options: Options
    hooks: Hooks
    before: State
    wanted: Optional[Wanted] = None
    outcome: Outcome = field(default_factory=Outcome)
    checked: Dict[str, Any] = field(default_factory=dict)
    locked: Set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Note what the releases are made of before any of them goes."""
        self.locked = _lock_lines(self.before.releases)

    @property
    def plan(self) -> Wanted:
        """The wanted environment."""
        assert self.wanted is not None, "this step needs a plan"
        return self.wanted

    def uv(self) -> ContextManager[Optional[supplies.Program]]:
        """Open a uv binary on this host: of this run, else of an earlier one, else None."""
        names = [item.sha256 for item in self.options.carried if item.file == "uv"]
        return supplies.uv(self.layout, [*names, *shelf.carried(self.layout)])


def perform(run: Run, decision: Decision) -> None:
    """Do every step. When one fails before the switch, a release it was building is removed again."""
    building = ""
    for step in decision.steps:
        building = step.subject if step.kind == "build" else building
        started = time.monotonic()
        run.hooks.emit("{}:start".format(step.kind))
        run.hooks.progress.step(step.kind)
        try:
            DEEDS[step.kind](run, step)
        except BaseException:
            if building:
                discard(run.layout.release(building))
            raise
        building = "" if step.kind == "complete" else building
        spent = run.outcome.timings.get(step.kind, 0.0) + time.monotonic() - started
        run.outcome.timings[step.kind] = round(spent, 3)
        run.hooks.emit("{}:done".format(step.kind))


def take(run: Run, decision: Decision) -> None:
    """Fetch from the site's wheelhouse what the build needs and the host lacks. Raises Problem."""
    if not (run.options.wheelhouse and decision.builds):
        return
    from .fetch import fetch  # only where something is fetched

    here = shelf.carried(run.layout)
    lacking = shelf.to_bring(run.plan, run.options, here, shelf.unpacked(run.layout))
    started = time.monotonic()
    asked = [package for package in lacking if not package.travels]
    run.hooks.progress.begin(asked)
    run.outcome.fetched = fetch(run.layout, asked, run.options.wheelhouse, run.hooks.progress)
    run.outcome.timings["fetch"] = round(time.monotonic() - started, 3)


def _discard(run: Run, step: Step) -> None:
    release = run.layout.release(step.subject)
    if os.path.basename(_read_link(run.layout.previous)) == step.subject:
        discard(run.layout.previous)
    discard(release)


def _distrust(run: Run, step: Step) -> None:
    _forget_downloads(run, integrity.poisoned(run.before.releases[step.subject]))


def _refetch(run: Run, step: Step) -> None:
    _forget_downloads(run, [step.subject])


def _forget_downloads(run: Run, names: Collection[str]) -> None:
    if not names:
        return
    with run.uv() as uv:
        build.forget_downloads(run.layout, names, uv, run.hooks.inherited)


def _build(run: Run, step: Step) -> None:
    def emit(event: str) -> None:
        run.hooks.emit("build:{}".format(event))

    path = run.layout.release(step.subject)
    if not shelf.from_wheelhouse(run.plan, run.options):
        # What an earlier release was made of lies in the cache.
        here = {line.split()[0] for line in run.locked}
        packages = run.plan.lock.packages
        run.hooks.progress.begin(
            [one for one in packages if "{}=={}".format(one.name, one.version) not in here]
        )
    with run.uv() as uv:
        build.stage(run.layout, run.plan, run.options, uv, path, run.hooks, emit)


def _gate(run: Run, step: Step) -> None:
    directory = build.site_packages(run.plan, run.layout.release(step.subject))
    run.checked["gate"] = gate.check(directory, gate.needs(run.plan))


def _verify(run: Run, step: Step) -> None:
    path = run.layout.release(step.subject)
    found = run.hooks.prove(path, run.plan, run.options)
    kept = {key: found.get(key) for key in ("level", "device", "seconds", "warnings")}
    run.checked["verify"] = dict(kept, at=run.hooks.now())
    run.checked["host"] = host.record(path)
    run.outcome.verify = found


def _complete(run: Run, step: Step) -> None:
    path = run.layout.release(step.subject)
    record = read_json(os.path.join(path, state.RECORD))
    if record is None:
        noted = integrity.manifest(path, build.site_packages(run.plan, path))
        write_json(os.path.join(path, integrity.MANIFEST), noted)
        record = _record(run, step.subject)
    record.update(run.checked)
    layout = run.layout
    sync_tree([path, layout.path("releases"), layout.root, layout.cache, layout.path("files")])
    write_json(os.path.join(path, state.RECORD), record)
    building.end(layout)


def _record(run: Run, name: str) -> Dict[str, Any]:
    wanted, plan = run.plan, run.plan.plan
    return {
        "schema": SCHEMA,
        "id": name,
        "wanted": wanted.digest,
        "created": run.hooks.now(),
        "class": plan.get("class"),
        "lock_digest": wanted.lock_digest,
        "requested": sorted(plan.get("request") or {}),
        "python": plan.get("python"),
        "python_path": plan.get("python_path"),
        "device": wanted.device,
        "torch_build": wanted.lock.header["torch-build"] or None,
        "versions": wanted.lock.versions,
        "environment": wanted.environment,
        "scripts": list(wanted.scripts),
        "needs": gate.needs(wanted),
        "replaces": run.before.current or None,
    }


def _switch(run: Run, step: Step) -> None:
    """Point `previous` at what was current, then `current` at the release: a kill between loses nothing."""
    old = _read_link(run.layout.current)
    if run.before.current and run.before.current != step.subject and not _is_damaged(run):
        link(run.layout.previous, old)
        run.hooks.emit("switch:previous")
    link(run.layout.current, os.path.join("releases", step.subject))
    if run.wanted is not None:
        discard(run.layout.rolled_back)


def _is_damaged(run: Run) -> bool:
    """Whether the release that was current is the wanted one, only broken: nothing to go back to."""
    current = run.before.get(run.before.current)
    return bool(run.wanted and current and current.value("wanted") == run.wanted.digest)


def _fits(run: Run, step: Step) -> None:
    check_fit(run.before.releases[step.subject])


def _remember(run: Run, step: Step) -> None:
    target = run.outcome.release
    write_json(run.layout.rolled_back, {"from": step.subject, "to": target, "at": run.hooks.now()})


def _launch(run: Run, step: Step) -> None:
    path = run.layout.release(step.subject)
    launch.write(run.plan, path, build.site_packages(run.plan, path))


def _link(run: Run, step: Step) -> None:
    outside.write_command(run.layout, step.subject)


def _unlink(run: Run, step: Step) -> None:
    discard(run.layout.command(step.subject))


def _fact(run: Run, step: Step) -> None:
    record = read_json(os.path.join(run.layout.release(run.outcome.release), state.RECORD))
    outside.write_fact(run.layout, record or {})


def _tidy(run: Run, step: Step) -> None:
    """Remove what only removed releases needed: their downloads, and files that travelled for them."""
    after = state.read(run.layout)
    gone = run.locked - _lock_lines(after.releases)
    names = {line.split("==")[0] for line in gone}
    if not run.layout.shared_cache:
        _forget_downloads(run, names)
    if not run.options.carried:
        return
    used = {item.sha256 for item in run.options.carried}
    used |= {package.sha256 for package in run.plan.lock.packages}
    for name in set(shelf.carried(run.layout)) - used:
        discard(run.layout.path("files", name))


def _lock_lines(releases: Mapping[str, Release]) -> Set[str]:
    """Return the package lines of the locks of all complete releases."""
    found: Set[str] = set()
    for release in releases.values():
        text = read_text(os.path.join(release.path, "requirements.txt")) if release.complete else None
        found.update(line for line in (text or "").splitlines() if line and not line.startswith("#"))
    return found


def _forget(run: Run, step: Step) -> None:
    outside.remove_fact(run.layout, really=True)


def _erase(run: Run, step: Step) -> None:
    """Remove what is ours in the root, the marker last, and the root itself when nothing else is in it."""
    layout = run.layout
    for path in (layout.current, layout.previous, layout.rolled_back, layout.path(building.NAME)):
        discard(path)
    for name in sorted(run.before.releases):
        discard(layout.release(name))
        run.hooks.emit("erase:release")
    links = [layout.current, layout.previous, layout.rolled_back, layout.marker, layout.path(".progress")]
    links.append(layout.path(building.NAME))
    half_written = [os.path.basename(left) for path in links for left in leftovers(path)]
    for name in ("releases", "cache", "files", "index", ".progress", *half_written):
        discard(layout.path(name), layout.root)
    left: List[str] = sorted(set(os.listdir(layout.root)) - {".lock", os.path.basename(layout.marker)})
    if left:
        run.outcome.notes.append("left in {}: {}".format(layout.root, ", ".join(left)))
    discard(layout.marker)
    discard(layout.path(".lock"))
    if not left:
        os.rmdir(layout.root)


def _read_link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


DEEDS: Dict[str, Callable[[Run, Step], None]] = {
    "build": _build,
    "complete": _complete,
    "discard": _discard,
    "distrust": _distrust,
    "erase": _erase,
    "fact": _fact,
    "fits": _fits,
    "forget": _forget,
    "gate": _gate,
    "launch": _launch,
    "link": _link,
    "refetch": _refetch,
    "remember": _remember,
    "switch": _switch,
    "tidy": _tidy,
    "unlink": _unlink,
    "verify": _verify,
}
