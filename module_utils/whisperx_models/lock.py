"""locks/models.txt: which names stand for which models, and every file of these with size and SHA-256.

    # whisperx-fleet-models: 1
    name whisper base faster-whisper==1.2.1 hub:Systran/faster-whisper-base#whisper
    model hub:Systran/faster-whisper-base#whisper - 40-hex-digits-of-the-revision
      sha256 size config.json

A line `name` says what a name in an inventory means to a release of a package ("-": to any), first the model
itself, then others that it needs, then after "aka" further names of it. A line `model` has the revision that
was asked for ("-": none) and the locked one, and its files are below it. No address, path or date is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from ..whisperx_problem import Problem

__all__ = ["LockedFile", "LockedModel", "ModelsLock", "Name", "parse", "render"]

_HEADER = "# whisperx-fleet-models: 1"
_ABOUT = """\
# Which models a name stands for, and every file of them. Commit it, and later runs install the same files.
# whisperx_plan_state=upgrade moves the revisions; an entry in whisperx_models with a revision moves to that.
"""
_FILE = re.compile(r"  ([0-9a-f]{64}) ([0-9]{1,15}) (\S+)")
_NONE = "-"
_AKA = "aka"


@dataclass(frozen=True)
class Name:
    """What ``kind`` and ``name`` of a request mean to ``package`` ("faster-whisper==1.2.1", "" for any)."""

    kind: str
    name: str
    package: str
    sources: tuple[str, ...]
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class LockedFile:
    """``path`` in the repository, or the name of a file that no repository has."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class LockedModel:
    """``asked``: the revision of the request, "" for none."""

    source: str
    asked: str
    revision: str
    files: tuple[LockedFile, ...]


@dataclass(frozen=True)
class ModelsLock:
    """The whole lock."""

    names: Mapping[tuple[str, str, str], Name] = field(default_factory=dict)
    models: Mapping[tuple[str, str], LockedModel] = field(default_factory=dict)

    def with_names(self, names: Iterable[Name]) -> ModelsLock:
        """Return a lock with these names as well, or instead."""
        added = {(one.kind, one.name, one.package): one for one in names}
        return ModelsLock({**self.names, **added}, self.models)

    def with_models(self, models: Iterable[LockedModel]) -> ModelsLock:
        """Return a lock with these models as well, or instead."""
        return ModelsLock(self.names, {**self.models, **{(one.source, one.asked): one for one in models}})


def render(lock: ModelsLock) -> str:
    """Return the lock as text; the same lock gives the same bytes."""
    lines = [_HEADER, _ABOUT.rstrip("\n")]
    for _key, name in sorted(lock.names.items()):
        aliases = [_AKA, *map(_put, name.aliases)] if name.aliases else []
        fields = [name.kind, _put(name.name), _put(name.package) or _NONE, *map(_put, name.sources), *aliases]
        lines.append(" ".join(("name", *fields)))
    for _source, model in sorted(lock.models.items()):
        lines.append(f"model {_put(model.source)} {_put(model.asked) or _NONE} {_put(model.revision)}")
        lines += [f"  {one.sha256} {one.size} {_put(one.path)}" for one in sorted(model.files, key=_path)]
    return "\n".join(lines) + "\n"


def parse(text: str, where: str) -> ModelsLock:
    """Return the lock of a text, an empty one for "". Raises Problem "models.lock"."""
    names: list[Name] = []
    models: list[LockedModel] = []
    files: list[LockedFile] = []
    lines = text.splitlines()
    if text and (not lines or lines[0] != _HEADER):
        raise _malformed(lines[0] if lines else "", where)
    for line in lines:
        match = _FILE.fullmatch(line)
        words = line.split(" ")
        if match and models:
            path = unquote(match.group(3))
            if path.startswith("/") or ".." in path.split("/"):
                raise _malformed(line, where)
            files.append(LockedFile(path, int(match.group(2)), match.group(1)))
            last = models[-1]
            models[-1] = LockedModel(last.source, last.asked, last.revision, (*last.files, files[-1]))
        elif words[0] == "name" and len(words) >= 5:
            names.append(_name(words[1:]))
        elif words[0] == "model" and len(words) == 4:
            source, asked, revision = map(_get, words[1:])
            models.append(LockedModel(source, asked, revision, ()))
        elif line and not line.startswith("#"):
            raise _malformed(line, where)
    return ModelsLock().with_names(names).with_models(models)


def _name(words: list[str]) -> Name:
    rest = words[3:]
    cut = rest.index(_AKA) if _AKA in rest else len(rest)
    sources, aliases = tuple(map(_get, rest[:cut])), tuple(map(_get, rest[cut + 1 :]))
    return Name(words[0], _get(words[1]), _get(words[2]), sources, aliases)


def _put(text: str) -> str:
    return quote(text, safe="/:#=@+,.~_-")


def _get(word: str) -> str:
    return "" if word == _NONE else unquote(word)


def _path(one: LockedFile) -> str:
    return one.path


def _malformed(line: str, where: str) -> Problem:
    return Problem(
        "models.lock",
        f"a malformed line: {line[:100]!r}",
        where,
        "the lock of models as this toolkit wrote it",
        "Restore it from version control, or remove it and run again, which locks the newest revisions.",
    )
