"""From names to locked models: which repository, which revision, which files. Here the network is asked."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..whisperx_common.digests import Digests
from ..whisperx_libraries import load_yaml, yaml
from ..whisperx_problem import Problem
from . import local
from .hub import Hub
from .lock import LockedFile, LockedModel, ModelsLock, Name
from .request import Request
from .rows import Part, Rows
from .source import HOUSE, Source, read
from .store import Store
from .tables import Tables, model_of
from .web import Web

__all__ = ["Resolver", "package_of", "sources_of"]

# The package that says what the name of a kind means.
_SAYS = {"whisper": "faster-whisper", "align": "whisperx", "diarize": "pyannote-audio"}
_ENGLISH = "english"
_TOKENIZER = "openai/whisper-tiny"


def package_of(kind: str, versions: Mapping[str, str]) -> str:
    """Return the package and version that says what a name of this kind means, "" where it is not locked."""
    name = _SAYS[kind]
    return f"{name}=={versions[name]}" if name in versions else ""


def sources_of(request: Request, tables: Tables, package: str) -> Name:
    """Return what a name means to a set of packages, without what only the model itself tells.

    Raises Problem "models.unknown-name".
    """
    local_, name, further, aliases = bool(request.path), request.name, [], []
    known: Mapping[str, str] = {"whisper": tables.whisper, "align": tables.align}.get(request.kind, {})
    meant = known.get(name, name)
    if request.kind == "align" and meant in tables.bundles:
        main = Source("torchaudio", meant, "", local_)
    elif "/" in meant:
        main = Source("hub", meant, request.kind, local_)
    elif local_:
        main = Source("hub", f"{HOUSE}/{meant}", request.kind, True)
    else:
        raise _unknown(request, [*known, *(tables.bundles if request.kind == "align" else ())], package)
    if request.kind == "whisper":
        aliases = sorted(one for one, repository in known.items() if repository == meant and one != name)
    if request.kind == "align" and tables.sentences is not None:
        language = tables.sentences.get(name, _ENGLISH)
        further = [f"nltk:punkt_tab/{one}" for one in dict.fromkeys((language, _ENGLISH))]
    return Name(request.kind, name, package, (str(main), *further), tuple(aliases))


@dataclass
class Resolver:
    """Locks models. ``state`` upgrade asks for the newest revisions of what is locked."""

    rows: Rows
    hub: Hub
    web: Web
    store: Store
    digests: Digests
    _fresh: dict[tuple[str, str], LockedModel] = field(default_factory=dict)
    # torchaudio's bundle to its file, of the packages that are looked at.
    _bundles: Mapping[str, str] = field(default_factory=dict)

    def add(
        self, lock: ModelsLock, request: Request, tables: Tables, package: str, upgrade: bool
    ) -> ModelsLock:
        """Return the lock with a request in it. Raises Problem."""
        name = sources_of(request, tables, package)
        main, self._bundles = read(name.sources[0]), tables.bundles
        lock = lock.with_models([self._model(lock, main, request.revision, request, upgrade)])
        model = lock.models[str(main), request.revision]
        sources = [*name.sources, *self._needed(request, main, model, tables)]
        name = Name(name.kind, name.name, package, tuple(dict.fromkeys(sources)), name.aliases)
        for source in name.sources[1:]:
            lock = lock.with_models([self._model(lock, read(source), "", request, upgrade)])
        return lock.with_names([name])

    def _needed(self, request: Request, main: Source, model: LockedModel, tables: Tables) -> list[str]:
        """Return the further models that a model turns out to need."""
        names = {one.path: one for one in model.files}
        if request.kind == "whisper" and "tokenizer.json" not in names:
            english = ".en" if request.name.endswith(".en") else ""
            return [str(Source("hub", _TOKENIZER + english, "tokenizer"))]
        if request.kind != "diarize" or "config.yaml" not in names:
            return []
        found: dict[str, tuple[str, str]] = dict(tables.nested)
        parameters = _parameters(self.store.path(names["config.yaml"].sha256))
        for parameter, value in parameters.items():
            nested = model_of(value)
            if nested is not None:
                found[parameter] = nested
            else:
                found.pop(parameter, None)  # a number, or a folder inside
        sources = [Source("hub", repository, folder or "pyannote") for repository, folder in found.values()]
        return [str(one) for one in sources if one.name != main.name]

    def _model(
        self, lock: ModelsLock, source: Source, asked: str, request: Request, upgrade: bool
    ) -> LockedModel:
        """Return a locked model: the one of the lock, unless it is to move."""
        key = (str(source), asked)
        if key in self._fresh:
            return self._fresh[key]
        if key in lock.models and not upgrade:
            return lock.models[key]
        made = self._made(source, asked, request, upgrade)
        self._fresh[key] = made
        return made

    def _made(self, source: Source, asked: str, request: Request, upgrade: bool) -> LockedModel:
        label = request.label
        if source.local:
            return self._from_directory(source, asked, request)
        if source.origin == "hub":
            return self._from_hub(source, asked, label)
        key = f"{source} {self.web.torchaudio} {self.web.nltk}"
        files = () if upgrade else _locked(self.store.known(key))
        if not files:
            with self.store.house.held(), self.store.writable():
                self.store.scratch.mkdir(parents=True, exist_ok=True)
                files = self._weights(source) if source.origin == "torchaudio" else self._sentences(source)
                self.store.note(key, [(one.path, one.size, one.sha256) for one in files])
        return LockedModel(str(source), asked, _revision(files), files)

    def _from_directory(self, source: Source, asked: str, request: Request) -> LockedModel:
        part = self.rows.part(source.part)
        if source.origin == "torchaudio":
            file = self._bundles[source.name]
            part = Part((file,), (file,))
        files = local.files_of(request.path, request.label, part, self.digests)
        top = Path(request.path).expanduser()
        for one in files:
            if one.path.endswith(".yaml"):
                self.store.copy(top / one.path, one.sha256, f"{one.path} of {request.label}")
        return LockedModel(str(source), asked, asked or _revision(files), files)

    def _from_hub(self, source: Source, asked: str, label: str) -> LockedModel:
        """Lock a repository; files of which the hub has no digest are small, and downloaded."""
        listing = self.hub.listing(source.name, asked)
        part = self.rows.part(source.part)
        listed = {one.path: one for one in listing.files}
        local.check_complete(part, list(listed), label, f"{source.name} at {listing.revision}")
        files = [
            LockedFile(path, listed[path].size, listed[path].sha256)
            if listed[path].sha256
            else self._small(source.name, listing.revision, path)
            for path in part.select(list(listed))
        ]
        return LockedModel(str(source), asked, listing.revision, tuple(files))

    def _small(self, repository: str, revision: str, path: str) -> LockedFile:
        """Download a file of which the hub has no SHA-256. A revision never changes."""
        key = f"{repository}@{revision} {path}"
        known = _locked(self.store.known(key))
        if known:
            return known[0]
        with self.store.house.held(), self.store.writable():
            self.store.scratch.mkdir(parents=True, exist_ok=True)
            target = self.store.scratch / "small"
            self.hub.fetch(repository, revision, path, target)
            size = target.stat().st_size
            made = LockedFile(path, size, self.store.add(target, "", path))
            self.store.note(key, [(path, made.size, made.sha256)])
        return made

    def _weights(self, source: Source) -> tuple[LockedFile, ...]:
        file = self._bundles[source.name]
        target = self.store.scratch / file
        self.web.weights(file, target, None)
        size = target.stat().st_size
        return (LockedFile(file, size, self.store.add(target, "", file)),)

    def _sentences(self, source: Source) -> tuple[LockedFile, ...]:
        found = self.web.sentences(source.name, self.store.scratch)
        sizes = {name: path.stat().st_size for name, path in found.items()}
        return tuple(
            LockedFile(name, sizes[name], self.store.add(path, "", name))
            for name, path in sorted(found.items())
        )


def _locked(files: list[tuple[str, int, str]]) -> tuple[LockedFile, ...]:
    return tuple(LockedFile(*one) for one in files)


def _revision(files: tuple[LockedFile, ...]) -> str:
    """Return a revision for files that have none: a digest of theirs, as long as one of a hub."""
    text = "".join(f"{one.path} {one.size} {one.sha256}\n" for one in sorted(files, key=lambda one: one.path))
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def _parameters(config: Path) -> dict[str, Any]:
    """Return the parameters of a pipeline's config.yaml; one that is none has none."""
    try:
        pipeline = load_yaml(config.read_text("utf-8"))["pipeline"]
        return dict(pipeline.get("params") or {})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError):
        return {}


def _unknown(request: Request, known: list[str], package: str) -> Problem:
    close = difflib.get_close_matches(request.name, known, 3)
    if not package:
        step = f"Lock {_SAYS[request.kind]} with these hosts, name a repository (OWNER/NAME), or give path."
        return Problem(
            "models.unknown-name",
            f"nothing says what {request.label} means: {_SAYS[request.kind]} is not installed",
            "whisperx_models",
            "a package that knows the name",
            step,
        )
    meant = f"Did you mean {', '.join(close)}?" if close else "Name a repository (OWNER/NAME), or give path."
    return Problem(
        "models.unknown-name",
        f"{package} knows no {request.label}",
        "whisperx_models",
        "a name that it knows, a repository of a hub, or a directory",
        meant,
    )
