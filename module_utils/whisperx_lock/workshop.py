"""What all classes of a run share: uv with its sources, wheels, managed Pythons, the cache, the bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..whisperx_common.cache_dir import cache_dir_of
from ..whisperx_problem import Problem
from .files import Store, fits_target
from .pythons import Pythons
from .resolve import Resolver
from .sources import Sources
from .uv import Uv, find_uv
from .wheels import Wheels

__all__ = ["TargetUv", "Workshop", "not_bundled", "open_workshop", "target_uv"]


@dataclass(frozen=True)
class TargetUv:
    """The uv executable for the hosts of a class: where it lies on the controller, and its SHA-256."""

    path: str
    sha256: str


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
    store = Store(cache_dir_of(cache_dir))
    program = Uv(find_uv(uv), sources)
    wheels = Wheels(program, store, bundle / "wheels" if bundle else None, site or {})
    pythons = Pythons(store, sources, bundle)
    return Workshop(Resolver(program, wheels), wheels, pythons, store, lock_dir, bundle)


def target_uv(plan: Mapping[str, Any], shop: Workshop) -> TargetUv:
    """Return the uv for the hosts of a plan: the one here, the bundle's, or one that is fetched.

    Raises Problem ("bundle.no-lock").
    """
    own = shop.resolver.uv.path
    machine, libc = str(plan["machine"]), plan.get("libc") or {}
    if shop.bundle:
        bundled = sorted(shop.bundle.glob("uv/*/uv"))
        own = next((path for path in bundled if fits_target(path, machine, libc)), own)
    if not fits_target(own, machine, libc):
        if shop.bundle:
            raise not_bundled(machine, shop.bundle, ("it has no uv for this machine",))
        platform = str(plan["platform"])
        key = f"{shop.store.digest(own)[:16]}-{platform}"  # stands for the version, without starting uv
        own = shop.store.uv(key, lambda folder: shop.resolver.uv.fetch_self(platform, folder))
    return TargetUv(str(own), shop.store.digest(own))


def not_bundled(name: str, bundle: Path, notes: tuple[str, ...]) -> Problem:
    """Return the problem of a bundle that has nothing for a class or a machine."""
    why = f" ({'; '.join(notes)})" if notes else ""
    return Problem(
        "bundle.no-lock",
        f"the bundle has nothing that fits {name}{why}",
        str(bundle),
        "a bundle that was made for such hosts and this request",
        "Make one with playbooks/bundle.yml, of the same checkout, for these hosts and the same request.",
    )
