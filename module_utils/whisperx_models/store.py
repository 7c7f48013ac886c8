"""The site's store with files of models: DIR/<SHA-256>/data, beside the wheels of the wheelhouse."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ..whisperx_common.durable import make_directories, replace
from ..whisperx_common.files import read_json, sha256, write_json
from ..whisperx_models_host.fetch import NAME
from ..whisperx_problem import Problem
from ..whisperx_wheelhouse.house import House

__all__ = ["NAME", "Store", "begun"]

_FOLDER = ".part/models"
_KNOWN = ".models.json"


@dataclass(frozen=True)
class Store:
    """A store in a house."""

    house: House

    @property
    def scratch(self) -> Path:
        """Where files grow, and what a later run goes on with."""
        return self.house.root / _FOLDER

    @property
    def hub_cache(self) -> Path:
        """The hub library's own directory."""
        return self.scratch / "hub"

    def path(self, digest: str) -> Path:
        """Return where a file lies, or would."""
        return self.house.path(digest, NAME)

    def missing(self, contents: Mapping[str, int]) -> dict[str, int]:
        """Return those of the files (SHA-256 to size) that are not there, or are another file."""
        return {name: size for name, size in contents.items() if not self.house.right(name, NAME, size)}

    def add(self, made: Path, wanted: str, what: str) -> str:
        """Take a file that has arrived into the store; return its SHA-256.

        Raises Problem "models.wrong-hash" when it is not ``wanted`` ("" for any); then it is removed.
        """
        digest = sha256(str(made))
        if wanted not in ("", digest):
            made.unlink()
            raise Problem(
                "models.wrong-hash",
                f"{what} has SHA-256 {digest}",
                "locks/models.txt",
                f"SHA-256 {wanted}",
                "Do not use this source until it is known why the file changed; "
                "whisperx_plan_state=upgrade locks what is there now.",
            )
        target = self.path(digest)
        with self.writable():
            make_directories(str(target.parent), None)
            made.chmod(0o644)
            replace(str(made), str(target))
        return digest

    def known(self, key: str) -> list[tuple[str, int, str]]:
        """Return name, size and SHA-256 of the files that came from a place, [] unless all are still here.

        Where a dry run had to download something to lock it, the run need not do it again.
        """
        noted = (read_json(str(self.house.root / _KNOWN)) or {}).get(key)
        try:
            files = [(str(name), int(size), str(digest)) for name, size, digest in noted or ()]
        except (TypeError, ValueError):
            return []
        return files if all(self.house.right(digest, NAME, size) for _path, size, digest in files) else []

    def note(self, key: str, files: list[tuple[str, int, str]]) -> None:
        """Remember what came from a place."""
        path = str(self.house.root / _KNOWN)
        with self.writable():
            write_json(path, {**(read_json(path) or {}), key: [list(one) for one in files]})

    def copy(self, source: Path, wanted: str, what: str) -> None:
        """Take a copy of a file of the controller. Raises Problem as `add` does."""
        with self.writable():
            self.scratch.mkdir(parents=True, exist_ok=True)
            beside = self.scratch / wanted
            shutil.copyfile(source, beside)
        self.add(beside, wanted, what)

    @contextmanager
    def writable(self) -> Iterator[None]:
        """Say of the store what the system says. Raises Problem "models.store"."""
        try:
            yield
        except OSError as error:
            raise Problem(
                "models.store",
                f"the store cannot be written: {error.strerror or error}",
                str(error.filename or self.house.root),
                "a directory of the controller with free space",
                "Free some space, or set whisperx_wheelhouse_dir to another file system.",
            ) from None

    def clear(self) -> None:
        """Remove what was half downloaded, when nothing is missing any more."""
        with suppress(OSError):
            shutil.rmtree(self.scratch)


def begun(target: Path) -> int:
    """Return how much of a file is there."""
    with suppress(OSError):
        return os.path.getsize(target)
    return 0
