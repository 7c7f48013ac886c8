"""Turn one class of hosts into one complete, hash-pinned set of packages: keep, adopt or resolve a lock.

Controller side. `make` is the whole story of one class; `make_all` does many; neither writes into the lock
directory. Same inputs, same bytes: a lock carries no date, no address and no path.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ..whisperx_common import extras as further
from ..whisperx_common.lockfile import SCHEMA, Lock, digest, parse, render
from ..whisperx_problem import Problem
from .fit import archive_of, best_fit, fitted, misfits, request_of
from .resolve import Resolution
from .wheels import LocalFile
from .workshop import TargetUv, Workshop, not_bundled, target_uv

__all__ = ["LockResult", "make", "make_all"]

_CLASS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,200}")
_AT_ONCE = 4  # calls of uv side by side; it is waiting for the index most of the time


@dataclass(frozen=True)
class LockResult:
    """What became of one class. ``before`` is the text that the lock directory has, empty if none."""

    text: str
    before: str
    notes: tuple[str, ...]
    files: tuple[LocalFile, ...]
    uv: TargetUv

    @property
    def changed(self) -> bool:
        """Whether the lock directory has another text, or none."""
        return self.text != self.before

    @property
    def lock(self) -> Lock:
        """The lock, parsed."""
        return parse(self.text)

    @property
    def digest(self) -> str:
        """SHA-256 of the text."""
        return digest(self.text)

    def diff(self, path: str) -> dict[str, str]:
        """Return Ansible's diff of the old and the new set of packages."""
        return {
            "before_header": path,
            "after_header": path,
            "before": _packages(self.before),
            "after": _packages(self.text),
        }


def make(
    name: str, plan: Mapping[str, Any], locks: Mapping[str, str], state: str, shop: Workshop
) -> LockResult:
    """Lock the class ``name``.

    ``locks`` are the texts of the lock directory by class. With ``state`` "locked", the class's own lock is
    kept while it fits, else the best other one that fits is adopted, else it is resolved anew; with "upgrade"
    always the last.
    Raises Problem, among others "lock.malformed" for a lock that was edited by hand.
    """
    before = locks.get(name)
    text = ""
    notes: tuple[str, ...] = ()
    if not _CLASS.fullmatch(name):
        raise _odd_class(name)
    if before is not None and state == "locked":
        text, notes = _kept(before, plan, name, shop)
    elif before is not None:
        notes = _replaced(before, name, shop)
    if not text and state == "locked":
        text, more = _adopted(name, plan, locks, shop)
        notes += more
    if not text:
        if shop.bundle:
            raise not_bundled(name, shop.bundle, notes)
        resolution = shop.resolver.resolve(plan)
        text = _text(name, plan, resolution, shop)
        notes += resolution.notes
    lock = parse(text)
    files = (*shop.pythons.files(lock, plan), *shop.wheels.files(lock, plan))
    return LockResult(
        text, before or "", (*notes, *_fallback_note(lock, plan, notes)), files, target_uv(plan, shop)
    )


def make_all(
    classes: Mapping[str, Mapping[str, Any]], locks: Mapping[str, str], state: str, shop: Workshop
) -> tuple[dict[str, LockResult], dict[str, Problem]]:
    """Lock every class. Returns the results, and the problems of those classes that have none."""

    def one(name: str) -> LockResult | Problem:
        try:
            return make(name, classes[name], locks, state, shop)
        except Problem as problem:
            return problem

    names = sorted(classes)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = dict(zip(names, pool.map(one, names), strict=True))
    shop.store.save()
    problems = {name: answer for name, answer in answers.items() if isinstance(answer, Problem)}
    return {name: answer for name, answer in answers.items() if isinstance(answer, LockResult)}, problems


def _kept(text: str, plan: Mapping[str, Any], name: str, shop: Workshop) -> tuple[str, tuple[str, ...]]:
    lock = parse(text, str(shop.where(name)))
    found = misfits(lock, plan)
    if not found:
        return text, ()
    return "", tuple(f"the lock {name} no longer fits: {sentence}" for sentence in found)


def _replaced(text: str, name: str, shop: Workshop) -> tuple[str, ...]:
    """Say that an edited lock gives way, since it was asked to resolve anew."""
    try:
        parse(text, str(shop.where(name)))
    except Problem as problem:
        return (f"replaced, though it had been edited: {problem.where}",)
    return ()


def _adopted(
    name: str, plan: Mapping[str, Any], locks: Mapping[str, str], shop: Workshop
) -> tuple[str, tuple[str, ...]]:
    others: dict[str, Lock] = {}
    notes: tuple[str, ...] = ()
    for other, text in sorted(locks.items()):
        if other != name:
            try:
                others[other] = fitted(parse(text, str(shop.where(other))), plan)
            except Problem as problem:
                notes += (f"not considered: {problem.found} ({problem.where})",)
    best = best_fit(others, plan)
    if best is None:
        return "", notes
    lock = others[best]
    header = {**lock.header, "class": name}
    return render(Lock(header, lock.packages)), (*notes, f"taken over from the lock {best}, which fits")


def _text(name: str, plan: Mapping[str, Any], resolution: Resolution, shop: Workshop) -> str:
    archive = archive_of(plan)
    header = {
        "whisperx-fleet-lock": SCHEMA,
        "class": name,
        "request": json.dumps(request_of(plan), sort_keys=True, separators=(",", ":")),
        "extras": further.write(shop.wheels.extras(resolution.wheels, plan)),
        "platform": str(plan["platform"]),
        "python": str(plan["python"]),
        "python-archive": archive.line() if archive else "",
        "device": str(plan["device"]),
        "torch-build": resolution.torch_build,
        "torch-backend": resolution.torch_backend,
        "catalogue": str(plan.get("catalogue") or ""),
        "uv": shop.resolver.uv.version,
    }
    return render(Lock(header, resolution.packages))


def _fallback_note(lock: Lock, plan: Mapping[str, Any], notes: tuple[str, ...]) -> tuple[str, ...]:
    """Say, for a lock that was kept, that it has the large build of torch where the small one would do."""
    if notes or plan.get("torch_build") in (None, lock.header["torch-build"]):
        return ()
    return (
        f"the lock has torch's {lock.header['torch-build']} build where {plan['torch_build']} would do; "
        "whisperx_plan_state=upgrade takes that as soon as the PyTorch index can be reached",
    )


def _packages(text: str) -> str:
    """Return Python and packages of a lock as lines; a lock that cannot be read counts as none."""
    try:
        lock = parse(text) if text else None
    except Problem:
        lock = None
    if lock is None:
        return ""
    lines = [f"managed Python {lock.archive.version} ({lock.archive.build})\n"] if lock.archive else []
    return "".join([*lines, *(f"{package.name} {package.version}\n" for package in lock.packages)])


def _odd_class(name: str) -> Problem:
    return Problem(
        "lock.plan",
        f"a class named '{name}'",
        "classes",
        "a name that can be a file's",
        "Give it another name.",
    )
