"""Turn one class of hosts into one complete, hash-pinned set of packages: keep, adopt or resolve a lock.

Controller side. `make` is the whole story of one class; `make_all` does many and writes nothing; `write` puts
a lock into the lock directory. Same inputs, same bytes: a lock carries no date, no address and no path.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..whisperx_common import extras as further
from ..whisperx_common.durable import make_directories
from ..whisperx_common.files import write_text
from ..whisperx_common.lockfile import SCHEMA, Lock, digest, parse, render
from ..whisperx_common.models import LOCK as MODELS
from ..whisperx_problem import Problem
from .files import Store, default_cache_dir, fits_target
from .fit import archive_of, best_fit, fitted, misfits, request_of
from .pythons import Pythons
from .resolve import Resolution, Resolver
from .sources import Sources
from .uv import Uv, find_uv
from .wheels import LocalFile, Wheels

__all__ = ["LockResult", "TargetUv", "Workshop", "make", "make_all", "open_workshop", "read_locks", "write"]

_CLASS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,200}")
_AT_ONCE = 4  # calls of uv side by side; it is waiting for the index most of the time


@dataclass(frozen=True)
class TargetUv:
    """The uv executable for the hosts of a class: where it lies on the controller, and its SHA-256."""

    path: str
    sha256: str


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


@dataclass(frozen=True)
class Workshop:
    """What all classes of a run share: the resolver (with uv and the sources), the wheels, the cache.

    ``lock_dir`` is for messages only: reading and writing it is not the business of `make`. With a ``bundle``
    there is nothing beside it: no index, no network.
    """

    resolver: Resolver
    wheels: Wheels
    pythons: Pythons
    store: Store
    lock_dir: Path = Path()
    bundle: Path | None = None

    def where(self, name: str) -> Path:
        """The file of the lock of a class."""
        return self.lock_dir / f"{name}.txt"


def open_workshop(
    sources: Sources,
    lock_dir: Path,
    uv: str = "",
    cache_dir: str = "",
    bundle: Path | None = None,
    site: Mapping[str, str] | None = None,
) -> Workshop:
    """Return what a run needs. Empty ``uv`` and ``cache_dir`` stand for the usual places.

    ``site``: SHA-256 to path of the wheels that the user built.
    """
    store = Store(Path(cache_dir).expanduser().absolute() if cache_dir else default_cache_dir())
    program = Uv(find_uv(uv), sources)
    wheels = Wheels(program, store, bundle / "wheels" if bundle else None, site or {})
    pythons = Pythons(store, sources, bundle)
    return Workshop(Resolver(program, wheels), wheels, pythons, store, lock_dir, bundle)


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
            raise _not_bundled(name, shop.bundle, notes)
        resolution = shop.resolver.resolve(plan)
        text = _text(name, plan, resolution, shop)
        notes += resolution.notes
    lock = parse(text)
    files = (*shop.pythons.files(lock, plan), *shop.wheels.files(lock, plan))
    return LockResult(
        text, before or "", (*notes, *_fallback_note(lock, plan, notes)), files, _uv(plan, shop)
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


def read_locks(lock_dir: Path) -> dict[str, str]:
    """Return the texts of a lock directory by class; empty without one. Raises Problem ("lock.directory")."""
    try:
        paths = sorted(lock_dir.glob("*.txt")) if lock_dir.is_dir() else []
        # That of the models, beside those of the classes, is another kind of lock.
        paths = [path for path in paths if path.stem != MODELS]
        return {path.stem: path.read_bytes().decode("utf-8", "replace") for path in paths}
    except OSError as error:
        raise _directory(lock_dir, error) from None


def write(lock_dir: Path, name: str, text: str) -> None:
    """Put a lock into the lock directory, whole or not at all. Raises Problem ("lock.directory")."""
    try:
        make_directories(str(lock_dir), None)
        write_text(str(lock_dir / f"{name}.txt"), text)
    except OSError as error:
        raise _directory(lock_dir, error) from None


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


def _uv(plan: Mapping[str, Any], shop: Workshop) -> TargetUv:
    own = shop.resolver.uv.path
    machine, libc = str(plan["machine"]), plan.get("libc") or {}
    if shop.bundle:
        bundled = sorted(shop.bundle.glob("uv/*/uv"))
        own = next((path for path in bundled if fits_target(path, machine, libc)), own)
    if not fits_target(own, machine, libc):
        if shop.bundle:
            raise _not_bundled(machine, shop.bundle, ("it has no uv for this machine",))
        platform = str(plan["platform"])
        key = f"{shop.store.digest(own)[:16]}-{platform}"  # stands for the version, without starting uv
        own = shop.store.uv(key, lambda folder: shop.resolver.uv.fetch_self(platform, folder))
    return TargetUv(str(own), shop.store.digest(own))


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


def _not_bundled(name: str, bundle: Path, notes: tuple[str, ...]) -> Problem:
    why = f" ({'; '.join(notes)})" if notes else ""
    return Problem(
        "bundle.no-lock",
        f"the bundle has nothing that fits {name}{why}",
        str(bundle),
        "a bundle that was made for such hosts and this request",
        "Make one with playbooks/bundle.yml, of the same checkout, for these hosts and the same request.",
    )


def _directory(path: Path, error: OSError) -> Problem:
    return Problem(
        "lock.directory",
        f"the lock directory cannot be used: {error.strerror}",
        str(path),
        "a directory that this user may read and write",
        "Repair it, or set whisperx_plan_lock_dir to another one.",
    )
