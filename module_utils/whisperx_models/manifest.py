"""What a host gets: the manifest of a set, from the lock and what the host asks for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from ..whisperx_problem import Problem
from .lock import LockedModel, ModelsLock, Name
from .request import Request
from .resolve import package_of
from .source import Source, read

__all__ = ["SCHEMA", "contents", "manifest", "unlocked"]

SCHEMA = 1
_SENTENCES = "punkt_tab"


def unlocked(lock: ModelsLock, requests: Sequence[Request], versions: Mapping[str, str]) -> list[Request]:
    """Return the requests that the lock does not cover, for a host with these versions of packages."""
    return [one for one in requests if _name(lock, one, versions) is None]


def manifest(lock: ModelsLock, requests: Sequence[Request], versions: Mapping[str, str]) -> dict[str, Any]:
    """Return the manifest of a host; every request has to be locked. Raises Problem "models.conflict"."""
    models: dict[str, dict[str, Any]] = {}
    sentences: list[LockedModel] = []
    for request in requests:
        name = _name(lock, request, versions)
        if name is None:
            raise AssertionError(f"{request.name} is not locked")
        main, *further = name.sources
        requires = [repository for each in further if (repository := read(each).repository)]
        entry = _entry(lock.models[main, request.revision], request.kind, request.name)
        names = [request.name, read(main).name, *name.aliases]
        entry["names"] = list(dict.fromkeys(names))
        entry["requires"] = list(dict.fromkeys(requires))
        if request.kind == "align" and "/" not in request.name and request.name != read(main).name:
            entry["language"] = request.name
        models[request.label] = entry
        for each in further:
            nested, model = read(each), lock.models[each, ""]
            if nested.origin == "nltk":
                sentences.append(model)
            else:
                models.setdefault(f"part {each}", _entry(model, "part", nested.name))
    if sentences:
        models[_SENTENCES] = _sentences(sentences)
    found = [models[label] for label in sorted(models)]
    _check_revisions(found)
    return {"schema": SCHEMA, "models": found}


def contents(value: Mapping[str, Any]) -> dict[str, int]:
    """Return SHA-256 to size of the files of a manifest."""
    return {one["sha256"]: one["size"] for model in value["models"] for one in model["files"]}


def _name(lock: ModelsLock, request: Request, versions: Mapping[str, str]) -> Name | None:
    """Return what a request means, None where the name, or a file of a model, is not locked."""
    name = lock.names.get((request.kind, request.name, package_of(request.kind, versions)))
    if name is None or read(name.sources[0]).local != bool(request.path):
        return None
    wanted = [(name.sources[0], request.revision), *((each, "") for each in name.sources[1:])]
    return name if all(key in lock.models for key in wanted) else None


def _entry(model: LockedModel, kind: str, name: str) -> dict[str, Any]:
    source = read(model.source)
    base = source.base(model.revision)
    files = [_file(source, model.revision, one.path, one.size, one.sha256) for one in model.files]
    return {
        "kind": kind,
        "name": name,
        "names": [name],
        "language": None,
        "repository": source.repository,
        "revision": model.revision,
        "path": source.place(model.revision, [one.path for one in model.files]) or base,
        "requires": [],
        "files": files,
    }


def _file(source: Source, revision: str, path: str, size: int, sha256: str) -> dict[str, Any]:
    return {"path": f"{source.base(revision)}/{path}", "size": size, "sha256": sha256}


def _sentences(models: Sequence[LockedModel]) -> dict[str, Any]:
    """Return the sentence data of all languages as one model, which is how NLTK has it."""
    once = {model.source: model for model in models}
    files = {
        one["path"]: one for _name, model in sorted(once.items()) for one in _entry(model, "", "")["files"]
    }
    text = "".join(f"{path} {one['sha256']}\n" for path, one in sorted(files.items()))
    return {
        "kind": "sentences",
        "name": _SENTENCES,
        "names": [_SENTENCES, *sorted(read(source).name for source in once)],
        "language": None,
        "repository": None,
        "revision": hashlib.sha256(text.encode()).hexdigest()[:40],
        "path": f"nltk/tokenizers/{_SENTENCES}",
        "requires": [],
        "files": [files[path] for path in sorted(files)],
    }


def _check_revisions(models: Sequence[Mapping[str, Any]]) -> None:
    """Raise Problem where a repository is wanted at two revisions: its refs/main can name one."""
    found: dict[str, str] = {}
    for model in models:
        repository = model["repository"]
        if repository and found.setdefault(repository, model["revision"]) != model["revision"]:
            raise Problem(
                "models.conflict",
                f"{repository} is wanted at the revisions {found[repository]} and {model['revision']}",
                "whisperx_models",
                "one revision of a repository on a host",
                "Give both entries the same revision, or resolve again (whisperx_plan_state=upgrade).",
            )
