"""Repositories of a hub, by huggingface_hub: imported here alone, and only when something has to be fetched.

Its settings are not the user's: no token of a login, no cache of the user, no Xet (which takes other
requests, to another store). Digests are compared by who calls.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..whisperx_common.connection_causes import remedy_of
from ..whisperx_common.wording import printable
from ..whisperx_problem import Problem

__all__ = ["Hub", "Listed", "Listing", "check_library"]

PACKAGE = "huggingface_hub"
_SETTINGS = {
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_SHARED_BLOBS": "1",
    "HF_HUB_DISABLE_SYMLINKS_WARNING": "1",
}
_NOT_OURS = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_TIMEOUT = 30.0  # seconds for an answer
_TRIES = 4
# What the library raises, by the names of its classes: they moved between its versions.
_GATED = ("GatedRepoError",)
_NO_REPOSITORY = ("RepositoryNotFoundError",)
_NO_REVISION = ("RevisionNotFoundError",)
_ONCE = ("DisabledRepoError", "EntryNotFoundError", "RemoteEntryNotFoundError", "HFValidationError")


@dataclass(frozen=True)
class Listed:
    """A file of a repository; the hub has the SHA-256 of large ones only."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Listing:
    """A repository at one revision, 40 hex digits."""

    revision: str
    files: tuple[Listed, ...]


@dataclass
class Hub:
    """A hub. ``cache`` is a directory for what is half downloaded, which a later run resumes."""

    endpoint: str
    cache: Path
    token: str = field(default="", repr=False)

    def listing(self, repository: str, revision: str = "") -> Listing:
        """Return the files of a repository. Raises Problem "models.gated" and so on."""

        def ask(library: Any) -> Any:
            api = library.HfApi(endpoint=self.endpoint, token=self.token or False)
            return api.model_info(
                repository, revision=revision or None, files_metadata=True, timeout=_TIMEOUT
            )

        found = self._asked(repository, revision, ask)
        files = [
            Listed(str(one.rfilename), int(one.size or 0), str(one.lfs.sha256) if one.lfs else "")
            for one in found.siblings or ()
        ]
        return Listing(str(found.sha), tuple(files))

    def fetch(self, repository: str, revision: str, path: str, target: Path) -> None:
        """Put a file at ``target``, on the file system of the cache. Raises Problem as `listing` does."""

        def ask(library: Any) -> Any:
            return library.hf_hub_download(
                repository,
                path,
                revision=revision,
                cache_dir=str(self.cache),
                endpoint=self.endpoint,
                token=self.token or False,
                etag_timeout=_TIMEOUT,
            )

        shown = Path(self._asked(repository, revision, ask))
        os.replace(shown.resolve(), target)
        shown.unlink(missing_ok=True)

    def arrived(self) -> int:
        """Return the bytes of what is half downloaded, for a display of the progress."""
        return sum(_size(path) for path in self.cache.rglob("*.incomplete"))

    def _asked(self, repository: str, revision: str, ask: Callable[[Any], Any]) -> Any:
        """Return what the library says; a connection that breaks is tried again, and what came is kept."""
        with _settings(self.cache):
            library = _library()
            for left in reversed(range(_TRIES)):
                try:
                    return ask(library)
                except Problem:
                    raise
                except Exception as error:
                    if not left or not _worth_a_retry(error):
                        raise self._problem(repository, revision, error) from None
        raise AssertionError("no attempt was made")

    def _problem(self, repository: str, revision: str, error: Exception) -> Problem:
        names = [each.__name__ for each in type(error).__mro__]
        page, where = f"{self.endpoint.rstrip('/')}/{repository}", self.endpoint
        status = _status(error)
        if any(name in names for name in _GATED):
            step = f"Accept the terms at {page} with the account of the token, "
            more = (
                "then run again."
                if self.token
                else "and set whisperx_models_token to a token of that account."
            )
            token = "the token's account has not accepted them" if self.token else "no token is set"
            return Problem(
                "models.gated",
                f"{repository} is given to those who accepted its terms, and {token}",
                where,
                f"access to {repository}",
                step + more,
            )
        if self.token and status == 401:
            return Problem(
                "models.token",
                f"the hub does not know the token, asked for {repository}",
                where,
                "a valid token in whisperx_models_token",
                f"Make one at {self.endpoint.rstrip('/')}/settings/tokens.",
            )
        if any(name in names for name in _NO_REVISION):
            return Problem(
                "models.no-revision",
                f"{repository} has no revision {revision}",
                where,
                "a branch, a tag or a commit of it",
                "Correct revision in whisperx_models.",
            )
        if any(name in names for name in _NO_REPOSITORY) or status in (401, 404):
            more = "" if self.token else ", or set whisperx_models_token for a private one"
            return Problem(
                "models.no-repository",
                f"{repository} is not there, or not for everybody",
                where,
                "a repository of this hub",
                f"Correct its name in whisperx_models{more}.",
            )
        text = printable(" ".join(str(each) for each in _chain(error)))[:400] or type(error).__name__
        return Problem(
            "models.hub",
            self._scrubbed(f"{repository} cannot be fetched: {text}"),
            where,
            "a hub that responds",
            remedy_of(text, "whisperx_models_endpoint"),
        )

    def _scrubbed(self, text: str) -> str:
        return text.replace(self.token, "****") if self.token else text


def _library() -> Any:
    """Return huggingface_hub. Raises Problem "models.no-library"."""
    try:
        return importlib.import_module(PACKAGE)
    except ImportError:
        raise Problem(
            "models.no-library",
            f"the Python package {PACKAGE} is missing",
            sys.executable,
            "that package, by which models are fetched from a hub",
            f"Run {sys.executable} -m pip install {PACKAGE}, or give the models as directories (path).",
        ) from None


def check_library() -> None:
    """Raise Problem "models.no-library" where the package is missing, without importing it."""
    if importlib.util.find_spec(PACKAGE) is None:
        _library()


@contextmanager
def _settings(cache: Path) -> Iterator[None]:
    """Have the library's settings ours while it is imported and used."""
    before = dict(os.environ)
    os.environ.update(_SETTINGS, HF_HOME=str(cache))
    for name in _NOT_OURS:
        os.environ.pop(name, None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _chain(error: BaseException) -> Sequence[BaseException]:
    """Return an error with those that it came from."""
    found: list[BaseException] = []
    step: BaseException | None = error
    while step is not None and step not in found:
        found.append(step)
        step = step.__cause__ or step.__context__
    return found


def _status(error: BaseException) -> int:
    """Return the HTTP status that an error, or one that it came from, is about; 0 for none."""
    for each in _chain(error):
        with suppress(Exception):
            return int(each.response.status_code)  # type: ignore[attr-defined]
    return 0


def _worth_a_retry(error: Exception) -> bool:
    names = [each.__name__ for each in type(error).__mro__]
    final = any(name in names for name in (*_GATED, *_NO_REPOSITORY, *_NO_REVISION, *_ONCE))
    status = _status(error)
    return not final and not (400 <= status < 500 and status != 429)


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0
