"""A model as a directory on the controller."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..whisperx_common.digests import Digests
from ..whisperx_common.wording import named
from ..whisperx_problem import Problem
from .lock import LockedFile
from .rows import Part

__all__ = ["changed", "files_of", "names_of"]

_DEEPEST = 3


def names_of(path: str, label: str) -> dict[str, int]:
    """Return the files of a directory with their sizes. Links are followed: caches of hubs consist of them.

    Raises Problem "models.no-directory".
    """
    top, found = Path(path).expanduser(), {}
    if not top.is_dir():
        raise Problem(
            "models.no-directory",
            "no directory of the controller",
            f"{path}, path of {label}",
            "a directory with the files of the model",
            "Correct path in whisperx_models.",
        )
    for folder, folders, names in os.walk(top, followlinks=False):
        relative = Path(folder).relative_to(top)
        if len(relative.parts) >= _DEEPEST:
            folders.clear()
        for name in names:
            state = (Path(folder) / name).stat()
            if stat.S_ISREG(state.st_mode):
                found[str(relative / name)] = state.st_size
    return found


def files_of(path: str, label: str, part: Part, digests: Digests) -> tuple[LockedFile, ...]:
    """Return the files of a model in a directory, read unless they did not change since.

    Raises Problem "models.no-directory", "models.incomplete".
    """
    sizes = names_of(path, label)
    check_complete(part, list(sizes), label, path)
    top = Path(path).expanduser()
    return tuple(
        LockedFile(name, sizes[name], digests.of(str((top / name).resolve())))
        for name in part.select(list(sizes))
    )


def changed(path: str, label: str, part: Part, files: tuple[LockedFile, ...]) -> bool:
    """Return whether a directory has other files than the locked ones, by names and sizes.

    One that is not there has not changed: the site's store may have its files.
    """
    if not Path(path).expanduser().is_dir():
        return False
    sizes = names_of(path, label)
    return {name: sizes[name] for name in part.select(list(sizes))} != {one.path: one.size for one in files}


def check_complete(part: Part, names: list[str], label: str, where: str) -> None:
    """Raise Problem "models.incomplete" where files are missing without which it is no such model."""
    missing = part.missing(names)
    if missing:
        raise Problem(
            "models.incomplete",
            f"{label} has no {named(missing, 3)}",
            where,
            f"a model that the libraries read as {label.partition(' ')[0]}",
            "Give another repository or directory; a Whisper model has to be converted for CTranslate2.",
        )
