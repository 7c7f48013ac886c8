"""Bring what the site's store lacks, each file once, whatever hosts and models want it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..whisperx_problem import Problem
from ..whisperx_wheelhouse.progress import Progress
from .hub import Hub
from .lock import LockedModel, ModelsLock
from .request import Request
from .source import read
from .store import Store, begun
from .web import Web

__all__ = ["Filler", "Origin", "origins"]

_LOOK_EVERY_S = 0.5


@dataclass(frozen=True)
class Origin:
    """Where one file comes from; ``directory`` is that of the request, "" for none."""

    model: LockedModel
    path: str
    size: int
    sha256: str
    directory: str = ""


def origins(lock: ModelsLock, wanted: Mapping[str, int], requests: list[Request]) -> list[Origin]:
    """Return the origin of every wanted file (SHA-256 to size), the first that the lock has."""
    directories: dict[str, str] = {}
    for (kind, label, _package), name in lock.names.items():
        for request in requests:
            if (request.kind, request.name) == (kind, label) and request.path:
                directories[name.sources[0]] = request.path
    found: dict[str, Origin] = {}
    for _key, model in sorted(lock.models.items()):
        for one in model.files:
            origin = Origin(model, one.path, one.size, one.sha256, directories.get(model.source, ""))
            # A directory is nearer than any server.
            if one.sha256 in wanted and (one.sha256 not in found or origin.directory):
                found[one.sha256] = origin
    return list(found.values())


@dataclass
class Filler:
    """Fetches into one store."""

    store: Store
    hub: Hub
    web: Web
    progress: Progress

    def fill(self, files: list[Origin]) -> None:
        """Fetch every file. Raises Problem; what had arrived until then stays."""
        self.store.house.check_room(sum(one.size for one in files))
        with self.store.house.held(), self.store.writable():
            self.store.scratch.mkdir(parents=True, exist_ok=True)
            self.progress.begin(len(files), sum(one.size for one in files))
            for one in sorted(files, key=lambda one: -one.size):
                if self.store.missing({one.sha256: one.size}):  # unpacked with another, or by another run
                    self.store.house.discard(one.sha256, self.store.path(one.sha256).name)
                    self._one(one)
                self.progress.done()
        self.store.clear()

    def _one(self, one: Origin) -> None:
        source = read(one.model.source)
        what = f"{one.path} of {source.name}"
        if source.local:
            self._copy(one, what)
            return
        target = self.store.scratch / one.sha256
        if source.origin == "hub":
            with self._watched():
                self.hub.fetch(source.name, one.model.revision, one.path, target)
        elif source.origin == "torchaudio":
            self.progress.add(begun(target))
            self.web.weights(one.path, target, one.size)
        else:
            self._sentences(one)
            return
        self.store.add(target, one.sha256, what)

    def _copy(self, one: Origin, what: str) -> None:
        path = Path(one.directory).expanduser() / one.path
        if not one.directory or not path.is_file():
            raise Problem(
                "models.no-directory",
                f"{what} is neither in the store nor in its directory",
                str(path) if one.directory else one.model.source,
                "the directory that the model was locked from",
                "Restore it, or correct path in whisperx_models.",
            )
        self.store.copy(path, one.sha256, what)
        self.progress.add(one.size)

    def _sentences(self, one: Origin) -> None:
        """Unpack a folder of NLTK's archive; the other files of it come with this one."""
        source = read(one.model.source)
        locked = {each.path: each for each in one.model.files}
        for name, path in self.web.sentences(source.name, self.store.scratch).items():
            if name in locked:
                self.store.add(path, locked[name].sha256, f"{name} of {source.name}")
        if self.store.missing({one.sha256: one.size}):
            raise Problem(
                "models.wrong-hash",
                f"NLTK's archive has no {one.path} of {source.name} any more",
                self.web.nltk,
                f"SHA-256 {one.sha256}",
                "Resolve again (whisperx_plan_state=upgrade), or set whisperx_models_nltk_url.",
            )

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Count what the hub's library has, which says nothing itself."""
        over = threading.Event()

        def watch() -> None:
            seen, last = 0, False
            while not last:
                last = over.wait(_LOOK_EVERY_S)
                now = self.hub.arrived()
                self.progress.add(max(0, now - seen))
                seen = max(seen, now)

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
