"""The directory of the locks: one file for each class, written whole or not at all."""

from __future__ import annotations

from pathlib import Path

from ..whisperx_common.durable import make_directories
from ..whisperx_common.files import write_text
from ..whisperx_common.models import LOCK as MODELS
from ..whisperx_problem import Problem

__all__ = ["read_locks", "write"]


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


def _directory(path: Path, error: OSError) -> Problem:
    return Problem(
        "lock.directory",
        f"the lock directory cannot be used: {error.strerror}",
        str(path),
        "a directory that this user may read and write",
        "Repair it, or set whisperx_plan_lock_dir to another one.",
    )
