"""Where the locked files lie. A lock has no addresses, so uv is asked, which knows every kind of index."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..whisperx_common.lockfile import Lock, LockedPackage
from ..whisperx_lock.uv import TORCH_FAMILY, Question, Uv
from ..whisperx_problem import Problem

__all__ = ["Address", "find"]


@dataclass(frozen=True)
class Address:
    """One file to download: ``size`` in bytes where lock or index tell it."""

    sha256: str
    file: str
    url: str
    size: int | None


def find(lock: Lock, packages: Iterable[LockedPackage], uv: Uv) -> tuple[Address, ...]:
    """Return the addresses of some packages of a lock; no dependency is looked at.

    Raises Problem ("lock.index", "lock.credentials", …) from uv, "wheelhouse.not-listed" when the indexes
    have another file, or none.
    """
    wanted = {package.sha256: package for package in packages}
    rows = _rows(uv.compile(_question(lock, wanted.values(), uv)))
    found = {sha256: url for sha256, url in rows if sha256 in wanted}
    for sha256, package in wanted.items():
        if sha256 not in found:
            raise Problem(
                "wheelhouse.not-listed",
                f"{package.file} is not listed with its locked digest",
                uv.sources.name_of(""),
                f"an index that has the file with SHA-256 {sha256}",
                "Name the index that the lock was made with, or resolve again (whisperx_plan_state=upgrade).",
            )
    return tuple(
        Address(sha256, package.file, found[sha256], package.size) for sha256, package in wanted.items()
    )


def _question(lock: Lock, packages: Iterable[LockedPackage], uv: Uv) -> Question:
    lines = tuple(f"{package.name}=={package.version}" for package in packages)
    question = Question(
        requirements=lines,
        python=lock.header["python"],
        platform=lock.header["platform"],
        dependencies=False,
    )
    backend = lock.header["torch-backend"]
    base = uv.sources.torch
    if not backend or not any(package.name in TORCH_FAMILY for package in lock.packages):
        return question
    torch = replace(base, url=f"{base.url.rstrip('/')}/{backend}") if base else None
    return replace(question, backend=backend, torch=torch)


def _rows(answer: str) -> Iterable[tuple[str, str]]:
    """Return digest and address of every wheel in uv's answer (pylock.toml, PEP 751)."""
    try:
        for package in tomllib.loads(answer)["packages"]:
            for wheel in package.get("wheels", ()):
                if "url" in wheel:
                    yield str(wheel["hashes"]["sha256"]), str(wheel["url"])
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise Problem(
            "lock.answer",
            f"uv's output is not understood: {type(error).__name__}",
            "uv pip compile",
            "pylock.toml as of PEP 751",
            "Install the version of uv that this toolkit is tested with.",
        ) from error
